/** Memberships: the network key's word for one device in one network, for a time. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { bitFlipsOf, deviceNamed, NOW, scheme, signerNamed } from '../../../test/support/identity.ts'
import { roleMaskOf } from '../identity/roles.ts'
import { asUnixMs, type NetworkId } from '../ids.ts'
import { limit } from '../limits.ts'
import {
  checkMembership,
  issueMembership,
  type Membership,
  type MembershipExpectations,
} from './membership-certificate.ts'

const id = 'cd'.repeat(32) as NetworkId
const network = { id, key: signerNamed('network').publicKey }
const membership: Membership = {
  network: id,
  device: deviceNamed('laptop'),
  roles: roleMaskOf(['provider', 'gateway']),
  notBefore: NOW,
  expiresAt: asUnixMs(NOW + limit('certificateMs')),
  serial: 7,
  extensions: new Map([[50, 'later']]),
}
const bytes = issueMembership(signerNamed('network'), membership)
const verdict = (each: Uint8Array, change: Partial<MembershipExpectations> = {}): string =>
  checkMembership(scheme, each, { now: NOW, network, ...change }).kind

describe('a membership', () => {
  it('is read as it was issued', () => {
    const expected = { now: NOW, network, device: membership.device, role: 'gateway' } as const
    assert.deepEqual(checkMembership(scheme, bytes, expected), { kind: 'ok', value: membership })
  })

  it('is of one network, one device and its roles', () => {
    const other = 'ef'.repeat(32) as NetworkId
    assert.equal(verdict(bytes, { network: { ...network, id: other } }), 'wrong_network')
    assert.equal(verdict(bytes, { network: { ...network, key: signerNamed('mallory').publicKey } }), 'bad_signature')
    assert.equal(verdict(bytes, { device: deviceNamed('phone') }), 'wrong_device')
    assert.equal(verdict(bytes, { role: 'relay' }), 'missing_role')
    assert.equal(verdict(issueMembership(signerNamed('mallory'), membership)), 'bad_signature')
  })

  it('counts for its time, with tolerance for clocks', () => {
    const tolerance = limit('clockToleranceMs')
    assert.equal(verdict(bytes, { now: asUnixMs(NOW - tolerance) }), 'ok')
    assert.equal(verdict(bytes, { now: asUnixMs(NOW - tolerance - 1) }), 'not_yet_valid')
    assert.equal(verdict(bytes, { now: asUnixMs(membership.expiresAt + tolerance) }), 'expired')
  })

  it('is refused in whichever bit it is changed', () => {
    for (const { bit, flipped } of bitFlipsOf(bytes)) assert.notEqual(verdict(flipped), 'ok', `bit ${bit}`)
  })
})
