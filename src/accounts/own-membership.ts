/** This machine's membership of a private network: shown while it counts, made anew where the machine holds the network's key. */
import { equalBytes } from '../core/identity/bytes.ts'
import { type IdentityRefusal, refusalText } from '../core/identity/refusal.ts'
import { ALL_ROLES, roleMaskOf } from '../core/identity/roles.ts'
import { isRenewalDue } from '../core/identity/validity.ts'
import { asUnixMs, type NodeId, type UnixMs } from '../core/ids.ts'
import { limit } from '../core/limits.ts'
import type { Genesis } from '../core/network/genesis.ts'
import type { ParsedJoinFile } from '../core/network/join-file.ts'
import { checkMembership, issueMembership, type Membership } from '../core/network/membership-certificate.ts'
import type { Clock } from '../ports/clock.ts'
import type { NetworkStore } from '../ports/network-store.ts'
import type { KeySource, Signer, Verifier } from '../ports/signer.ts'

export interface NetworkDeps {
  readonly store: NetworkStore
  readonly keys: KeySource
  readonly verifier: Verifier
  readonly clock: Pick<Clock, 'now'>
}

export type PrivateGenesis = Genesis & { readonly networkKey: NonNullable<Genesis['networkKey']> }

export interface OwnMembership {
  readonly bytes: Uint8Array
  readonly membership: Membership
}

/** What `isPrivate` of a network is: one with a key that admits members. */
export function isPrivateGenesis(genesis: Genesis): genesis is PrivateGenesis {
  return genesis.networkKey !== undefined
}

/** The network's key, where this machine holds it and it is the right one. */
export function networkKeyOf({ keys }: Pick<NetworkDeps, 'keys'>, network: ParsedJoinFile): Signer | undefined {
  const { genesis } = network.network
  if (network.networkSeed === undefined || genesis.networkKey === undefined) return undefined
  const key = keys.signerOf(network.networkSeed)
  return equalBytes(key.publicKey, genesis.networkKey) ? key : undefined
}

/** A membership for `device` from now on. */
export function admit(
  key: Signer,
  { network }: ParsedJoinFile,
  { device, now, lastSerial }: { readonly device: NodeId; readonly now: UnixMs; readonly lastSerial: number },
): Uint8Array {
  return issueMembership(key, {
    network: network.id,
    device,
    roles: roleMaskOf(ALL_ROLES),
    notBefore: now,
    expiresAt: asUnixMs(now + limit('certificateMs')),
    serial: Math.max(now, lastSerial + 1),
    extensions: new Map(),
  })
}

/** The stored membership as far as it counts for `device`; else why it does not. */
export function storedMembership(
  { verifier, clock }: Pick<NetworkDeps, 'verifier' | 'clock'>,
  { membership, network: { id, genesis } }: ParsedJoinFile,
  device: NodeId,
): OwnMembership | { readonly refusal: IdentityRefusal | undefined } {
  if (membership === undefined || genesis.networkKey === undefined) return { refusal: undefined }
  const network = { id, key: genesis.networkKey }
  const checked = checkMembership(verifier, membership, { now: clock.now(), network, device })
  return checked.kind === 'ok' ? { bytes: membership, membership: checked.value } : { refusal: checked }
}

/**
 * A membership that counts for `device` and does not end soon, made and stored where this machine can; where it cannot, the one that
 * is there, or why there is none.
 */
export async function ensureMembership(
  deps: NetworkDeps,
  network: ParsedJoinFile,
  device: NodeId,
): Promise<OwnMembership | { readonly reason: string }> {
  const now = deps.clock.now()
  const stored = storedMembership(deps, network, device)
  const present = 'bytes' in stored ? stored : undefined
  if (present !== undefined && !isRenewalDue(present.membership, now)) return present
  const key = networkKeyOf(deps, network)
  if (key === undefined) {
    if (present !== undefined) return present
    const refusal = 'refusal' in stored ? stored.refusal : undefined
    return { reason: refusal === undefined ? 'this machine holds none' : refusalText(refusal) }
  }
  const bytes = admit(key, network, { device, now, lastSerial: present?.membership.serial ?? 0 })
  const renewed = storedMembership(deps, { ...network, membership: bytes }, device)
  if (!('bytes' in renewed)) return { reason: 'the clock of this machine is wrong' }
  await deps.store.write({ ...network, membership: bytes })
  return renewed
}
