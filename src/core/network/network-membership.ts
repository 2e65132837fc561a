/** The network that a node takes part in: what its own record shows there, and who else is a member. */
import { hexOf } from '../identity/bytes.ts'
import type { PublicKey } from '../identity/ed25519-rules.ts'
import { type Checked, type IdentityRefusal, refusalText } from '../identity/refusal.ts'
import type { SignatureScheme } from '../identity/signed-value.ts'
import { validityRefusal } from '../identity/validity.ts'
import type { NetworkId, NodeId, UnixMs } from '../ids.ts'
import { limit } from '../limits.ts'
import type { NodeRecord } from '../registry/node-record.ts'
import { encodeGenesis, type Genesis, networkIdOf, OPEN_NETWORK } from './genesis.ts'
import { checkMembership, type Membership } from './membership-certificate.ts'

/** The part of a record that membership is about. */
export type MemberRecord = Pick<NodeRecord, 'peer' | 'membership'>

export interface NetworkMembership {
  readonly id: NetworkId
  readonly genesis: Genesis
  /** Whether only members take part. */
  readonly isPrivate: boolean
  /** 32 bytes for libp2p; undefined where the network uses none. */
  readonly presharedKey: Uint8Array | undefined
  /** Multiaddrs of nodes that are likely to be up, from the join file. */
  readonly bootstrapAddresses: readonly string[]
  /** What the record of `device` shows; undefined on the open network, and where this machine has none for it. */
  membershipFor(device: NodeId): Uint8Array | undefined
  /** Why the node of a record is no member, for people; undefined where it is one. */
  objectionTo(record: MemberRecord, now: UnixMs): string | undefined
}

/** The network of nodes that were told of no other: everybody is a member. */
export function openNetwork(scheme: Pick<SignatureScheme, 'sha256'>): NetworkMembership {
  return {
    id: networkIdOf(scheme, encodeGenesis(OPEN_NETWORK)),
    genesis: OPEN_NETWORK,
    isPrivate: false,
    presharedKey: undefined,
    bootstrapAddresses: [],
    membershipFor: () => undefined,
    objectionTo: () => undefined,
  }
}

export interface PrivateNetworkParts {
  readonly id: NetworkId
  readonly genesis: Genesis & { readonly networkKey: PublicKey }
  readonly presharedKey: Uint8Array | undefined
  readonly bootstrapAddresses: readonly string[]
  /** The memberships that this machine holds, by device, as they are now. */
  readonly memberships: (device: NodeId) => Uint8Array | undefined
}

/** A network whose members carry its key's word for it. */
export function privateNetwork(scheme: SignatureScheme, parts: PrivateNetworkParts): NetworkMembership {
  const { id, genesis, presharedKey, bootstrapAddresses, memberships } = parts
  const network = { id, key: genesis.networkKey }
  /** By the bytes; what was found does not change but for the time. The oldest go first. */
  const known = new Map<string, Checked<Membership>>()
  const check = (bytes: Uint8Array, now: UnixMs): Checked<Membership> => {
    const name = hexOf(bytes)
    const found = known.get(name)
    if (found !== undefined) return found
    const checked = checkMembership(scheme, bytes, { now, network })
    if (checked.kind === 'expired' || checked.kind === 'not_yet_valid') return checked
    known.set(name, checked)
    if (known.size > limit('verifiedCertificates')) known.delete(known.keys().next().value ?? '')
    return checked
  }
  return {
    id,
    genesis,
    isPrivate: true,
    presharedKey,
    bootstrapAddresses,
    membershipFor: memberships,
    objectionTo: ({ peer, membership }, now) => {
      if (membership === undefined) return `it shows no membership of the network "${genesis.name}"`
      const checked = check(membership, now)
      const refusal = refusalOf(checked, peer, now)
      return refusal && `its membership of the network "${genesis.name}" does not count: ${refusalText(refusal)}`
    },
  }
}

function refusalOf(checked: Checked<Membership>, peer: NodeId, now: UnixMs): IdentityRefusal | undefined {
  if (checked.kind !== 'ok') return checked
  const { value } = checked
  if (value.device !== peer) return { kind: 'wrong_device', expected: peer, found: value.device }
  return validityRefusal(value, now)
}
