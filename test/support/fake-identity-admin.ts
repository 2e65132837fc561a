/** What the fake node of the HTTP tests says of its identity. */
import type { IdentityAdmin } from '../../src/http/admin/deps.ts'

const TIME = '2026-01-01T00:00:00.000Z'
const ACCOUNT = 'a1'.repeat(32)
const CERTIFICATE = { roles: ['provider'], serial: 1, notBefore: TIME, expiresAt: TIME, state: 'valid', reason: '' }

export function fakeIdentityAdmin(calls: string[]): IdentityAdmin {
  return {
    show: async () => ({
      schema: 'heddle.identity/v1',
      account: ACCOUNT,
      accountKey: 'here',
      accountRotations: 0,
      device: 'node-1',
      fingerprint: 'b2'.repeat(32),
      certificate: CERTIFICATE,
      endedDevices: 0,
    }),
    devices: async () => ({
      schema: 'heddle.devices/v1',
      devices: [{ device: 'node-1', isThisDevice: true, certificate: CERTIFICATE, end: null }],
    }),
    revoke: async (device, { reason }) => {
      calls.push(`revoke ${device} ${reason}`)
      return { schema: 'heddle.signed/v1', account: ACCOUNT, device, isNew: true }
    },
  }
}
