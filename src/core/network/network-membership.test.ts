/** Who is a member: everybody on the open network, those with the network key's word on a private one. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { deviceNamed, NOW, scheme, signerNamed } from '../../../test/support/identity.ts'
import { ALL_ROLES, roleMaskOf } from '../identity/roles.ts'
import { asUnixMs, type NodeId } from '../ids.ts'
import { limit } from '../limits.ts'
import { encodeGenesis, type Genesis, networkIdOf } from './genesis.ts'
import { issueMembership } from './membership-certificate.ts'
import { openNetwork, privateNetwork } from './network-membership.ts'

const networkKey = signerNamed('network').publicKey
const genesis = { name: 'workshop', createdAt: NOW, nonce: new Uint8Array(16), networkKey, extensions: new Map() }
const id = networkIdOf(scheme, encodeGenesis(genesis satisfies Genesis))
const laptop = deviceNamed('laptop')

function membershipOf(
  device: NodeId,
  { by = 'network', network = id, from = NOW }: { by?: string; network?: typeof id; from?: number } = {},
): Uint8Array {
  return issueMembership(signerNamed(by), {
    network,
    device,
    roles: roleMaskOf(ALL_ROLES),
    notBefore: asUnixMs(from),
    expiresAt: asUnixMs(from + limit('certificateMs')),
    serial: from,
    extensions: new Map(),
  })
}

const own = membershipOf(laptop)
const workshop = privateNetwork(scheme, {
  id,
  genesis,
  presharedKey: undefined,
  bootstrapAddresses: [],
  memberships: (device) => (device === laptop ? own : undefined),
})

describe('a private network', () => {
  it('takes whoever shows its key’s word for the device', () => {
    assert.equal(workshop.objectionTo({ peer: laptop, membership: own }, NOW), undefined)
    assert.equal(workshop.objectionTo({ peer: laptop, membership: own.slice() }, NOW), undefined)
    assert.deepEqual(workshop.membershipFor(laptop), own)
    assert.equal(workshop.membershipFor(deviceNamed('phone')), undefined)
  })

  it('names what is missing, with the name of the network', () => {
    const objection = (membership: Uint8Array | undefined, peer = laptop, now = NOW as number): string =>
      workshop.objectionTo({ peer, membership }, asUnixMs(now)) ?? ''
    assert.match(objection(undefined), /no membership of the network "workshop"/)
    assert.match(objection(new Uint8Array(9)), /"workshop" does not count: it cannot be read/)
    assert.match(objection(own, deviceNamed('phone')), /belongs to device/)
    assert.match(objection(membershipOf(laptop, { by: 'mallory' })), /signature is wrong/)
    const elsewhere = membershipOf(laptop, { network: 'ef'.repeat(32) as typeof id })
    assert.match(objection(elsewhere), new RegExp(`belongs to network ${'ef'.repeat(32)}, not ${id}`))
    assert.match(objection(own, laptop, NOW + limit('certificateMs') + limit('clockToleranceMs')), /ended 15 min ago/)
    assert.equal(objection(own), '')
  })

  it('does not remember a membership as too early once it has begun', () => {
    const later = membershipOf(laptop, { from: NOW + 3_600_000 })
    assert.match(workshop.objectionTo({ peer: laptop, membership: later }, NOW) ?? '', /begins in 60 min/)
    assert.equal(workshop.objectionTo({ peer: laptop, membership: later }, asUnixMs(NOW + 3_600_000)), undefined)
  })
})

describe('the open network', () => {
  it('is the same for everybody, and has no objection', () => {
    const open = openNetwork(scheme)
    assert.equal(open.id, openNetwork(scheme).id)
    assert.equal(open.isPrivate, false)
    assert.equal(open.objectionTo({ peer: laptop, membership: undefined }, NOW), undefined)
    assert.equal(open.membershipFor(laptop), undefined)
  })
})
