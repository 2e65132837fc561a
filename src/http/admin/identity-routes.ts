/** The admin API about this machine's identity: account, devices, and revoking one. Keys never leave the machine by it. */
import { z } from 'zod'
import { DeviceList, IdentityDocument, RevokeDevice, SignedActionDocument } from '../../core/wire/admin-identity.ts'
import type { ZodApp } from '../zod-app.ts'
import type { AppDeps } from './deps.ts'

export function identityRoutes(app: ZodApp, { identity }: Pick<AppDeps, 'identity'>): void {
  const tags = ['Identity']
  const read = { access: 'read' as const }
  const show = { summary: 'The identity of this machine', tags, response: { 200: IdentityDocument } }
  app.get('/api/v1/identity', { schema: show, config: read }, () => identity.show())
  const devices = { summary: 'The devices of the account', tags, response: { 200: DeviceList } }
  app.get('/api/v1/identity/devices', { schema: devices, config: read }, () => identity.devices())
  const revoke = {
    summary: 'Revoke a device',
    description: 'For good: no node accepts its certificates from then on.',
    tags,
    params: z.object({ device: z.string().min(1).max(128) }),
    body: RevokeDevice,
    response: { 200: SignedActionDocument },
  }
  app.post(
    '/api/v1/identity/devices/:device/revoke',
    { schema: revoke, config: { access: 'admin' } },
    ({ params, body }) => identity.revoke(params.device, body),
  )
}
