/** Who counts as what in the network of this node: what speaks against a record, how far a node is trusted, what a peer may do. */
import type { ActiveNetwork } from '../accounts/active-network.ts'
import { CertificateCheck } from '../accounts/certificate-check.ts'
import type { PeerGate } from '../adapters/libp2p/host-options.ts'
import type { AccountId, NodeId, UnixMs } from '../core/ids.ts'
import { limit } from '../core/limits.ts'
import type { NetworkMembership } from '../core/network/network-membership.ts'
import type { NodeRecord } from '../core/registry/node-record.ts'
import type { PromptTrust } from '../core/routing/prompt-trust.ts'
import type { Membership } from '../membership/membership.ts'
import type { Clock } from '../ports/clock.ts'
import type { Identity } from './open-identity.ts'

export interface NetworkRulesDeps {
  readonly clock: Clock
  readonly identity: Pick<Identity, 'account' | 'deps'>
  readonly active: Pick<ActiveNetwork, 'network'>
}

export class NetworkRules {
  readonly network: NetworkMembership
  readonly #clock: Clock
  readonly #account: AccountId
  readonly #certificates: CertificateCheck
  #membership: Membership | undefined

  constructor({ clock, identity: { account, deps }, active }: NetworkRulesDeps) {
    this.network = active.network
    this.#clock = clock
    this.#account = account
    this.#certificates = new CertificateCheck({ book: deps.book, account })
  }

  /** Where records are looked up from now on; the host is open before there is a membership, and until then nobody is known. */
  watch(membership: Membership): void {
    this.#membership = membership
  }

  /** For people; undefined where nothing speaks against the node. */
  readonly objectionTo = (record: NodeRecord, now: UnixMs): string | undefined =>
    this.#certificates.objectionTo(record, now) ?? this.network.objectionTo(record, now)

  readonly trustOf = (record: NodeRecord): PromptTrust => this.#certificates.trustOf(record, this.#clock.now())

  /** The addresses that its record gives; none where it is not listed. */
  readonly addressesOf = (peer: NodeId): readonly string[] => this.#recordOf(peer)?.addresses ?? []

  readonly admit = (peer: NodeId, options: { readonly signal: AbortSignal }): Promise<boolean> =>
    this.#membership?.admit(peer, options) ?? Promise.resolve(false)

  readonly lost = (peer: NodeId, why: 'broken' | 'silent'): void => this.#membership?.lost(peer, why)

  readonly gate: PeerGate = {
    // Who belongs to the network is known only after talking to it; nothing is served before.
    mayConnect: () => true,
    mayRelay: (peer) => this.#isMember(peer),
    mayGossip: (peer) => !this.network.isPrivate || this.#recordOf(peer) !== undefined,
    isTrusted: (peer) => {
      const record = this.#recordOf(peer)
      return record !== undefined && this.trustOf(record) === 'self'
    },
  }

  /** Accounts with listed devices, and our own. */
  accounts(): ReadonlySet<AccountId> {
    const now = this.#clock.now()
    const records = [...(this.#membership?.registry.table.values() ?? [])].map(({ record }) => record)
    const listed = records.map((record) => this.#certificates.accountOf(record, now))
    return new Set([this.#account, ...listed.filter((account) => account !== undefined)])
  }

  #recordOf(peer: NodeId): NodeRecord | undefined {
    return this.#membership?.registry.table.get(peer)?.record
  }

  async #isMember(peer: NodeId): Promise<boolean> {
    if (this.#recordOf(peer) !== undefined) return true
    try {
      return await this.admit(peer, { signal: AbortSignal.timeout(limit('admissionWaitMs')) })
    } catch {
      // Nobody knows in time.
      return false
    }
  }
}
