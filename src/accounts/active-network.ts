/** The network that a running node takes part in, with its membership kept from ending. */

import { HeddleError } from '../core/errors.ts'
import type { NodeId, UnixMs } from '../core/ids.ts'
import { type NetworkMembership, openNetwork, privateNetwork } from '../core/network/network-membership.ts'
import { notAMember } from './network-actions.ts'
import { ensureMembership, isPrivateGenesis, type NetworkDeps } from './own-membership.ts'

export interface ActiveNetwork {
  readonly network: NetworkMembership
  /** When this node stops being a member unless it is renewed; undefined on the open network. */
  memberUntil(): UnixMs | undefined
  /** Makes a new membership where the present one ends soon and this machine holds the network's key; whether it did. */
  renewIfDue(): Promise<boolean>
}

/** @throws HeddleError `identity_refused` where `device` is no member of the network in use, `state_corrupt`, `insecure_file_mode` */
export async function openActiveNetwork(deps: NetworkDeps, device: NodeId): Promise<ActiveNetwork> {
  const { store, verifier } = deps
  const id = await store.active()
  if (id === undefined) {
    return { network: openNetwork(verifier), memberUntil: () => undefined, renewIfDue: () => Promise.resolve(false) }
  }
  const stored = await store.read(id)
  if (stored === undefined) {
    throw new HeddleError('not_found', `the network in use, ${id}, is not on this machine any more`, {
      fix: 'heddle network join <file>\nheddle network use open   (for the network of everybody)',
    })
  }
  const { genesis } = stored.network
  if (!isPrivateGenesis(genesis)) throw new HeddleError('state_corrupt', `the network "${genesis.name}" has no key`)
  const first = await ensureMembership(deps, stored, device)
  if (!('bytes' in first)) throw notAMember(stored, first.reason, device)
  let current = first
  return {
    network: privateNetwork(verifier, {
      id,
      genesis,
      presharedKey: stored.presharedKey,
      bootstrapAddresses: stored.addresses,
      memberships: (each) => (each === device ? current.bytes : undefined),
    }),
    memberUntil: () => current.membership.expiresAt,
    renewIfDue: async () => {
      // What a command stored meanwhile counts too.
      const latest = (await store.read(id)) ?? stored
      const before = current
      const own = await ensureMembership(deps, latest, device)
      if (!('bytes' in own)) throw notAMember(stored, own.reason, device)
      current = own
      return current.membership.serial !== before.membership.serial
    },
  }
}
