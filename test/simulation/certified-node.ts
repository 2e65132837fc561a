/** A simulated node whose device has a certificate, and which checks those of others and spreads what accounts say. */
import { CertificateCheck } from '../../src/accounts/certificate-check.ts'
import type { MemoryClock } from '../../src/adapters/memory/memory-clock.ts'
import type { MemoryGossip, MemoryGossipNetwork } from '../../src/adapters/memory/memory-gossip.ts'
import { MemoryStatementStore } from '../../src/adapters/memory/memory-identity-store.ts'
import { AccountBook } from '../../src/core/identity/account-book.ts'
import { ALL_SERIALS, issueRevocation } from '../../src/core/identity/revocation.ts'
import { asUnixMs, type NodeId } from '../../src/core/ids.ts'
import { limit } from '../../src/core/limits.ts'
import { Statements } from '../../src/membership/statements.ts'
import { accountNamed, certificateOf, NOW, scheme, signerNamed } from '../support/identity.ts'
import { RecordingLogger } from '../support/recording-logger.ts'
import { TEST_NETWORK, TestDevice } from '../support/registry-peer.ts'
import { SimulatedNode } from './simulated-node.ts'

export interface CertifiedNodeDeps {
  readonly clock: MemoryClock
  readonly network: MemoryGossipNetwork
  readonly chance: () => number
  readonly bootstrap: readonly NodeId[]
  readonly knownAccounts: number
}

export class CertifiedNode {
  readonly node: SimulatedNode
  readonly account: string
  /** The disk: it outlives a run. */
  readonly store = new MemoryStatementStore()
  readonly log = new RecordingLogger()
  readonly #deps: CertifiedNodeDeps
  #book: AccountBook
  #check: CertificateCheck
  #statements: Statements | undefined

  /** @param account its name, as in test/support/identity.ts */
  constructor(deps: CertifiedNodeDeps, number: number, account: string) {
    this.#deps = deps
    this.account = account
    this.#book = new AccountBook(scheme, deps)
    this.#check = new CertificateCheck({ book: this.#book, account: accountNamed(account) })
    this.node = new SimulatedNode({ ...deps, scheme }, new TestDevice(number), {
      objectionTo: (record, now) => this.#check.objectionTo(record, now),
      onOpen: (gossip) => this.#open(gossip),
    })
    const expiresAt = asUnixMs(NOW + limit('certificateMs'))
    this.node.change({ certificate: certificateOf(account, 'unused', { device: this.peer, expiresAt }) })
  }

  get peer(): NodeId {
    return this.node.peer
  }

  get book(): AccountBook {
    return this.#book
  }

  get statements(): Statements {
    if (this.#statements === undefined) throw new Error(`${this.peer} is down`)
    return this.#statements
  }

  start(): Promise<void> {
    return this.node.start()
  }

  async kill(): Promise<void> {
    await this.node.kill()
    await this.#statements?.[Symbol.asyncDispose]()
    this.#statements = undefined
  }

  lists(other: CertifiedNode): boolean {
    return this.node.membership.registry.table.get(other.peer) !== undefined
  }

  /** The account revokes a device on this node, which runs. */
  revoke(other: CertifiedNode): void {
    const statement = revocationOf(this.account, other.peer)
    this.#book.add(statement)
    void this.store.append([statement])
    this.statements.announce([statement])
  }

  async #open(gossip: MemoryGossip): Promise<void> {
    const { clock, chance } = this.#deps
    this.#book = new AccountBook(scheme, this.#deps)
    const account = accountNamed(this.account)
    this.#check = new CertificateCheck({ book: this.#book, account })
    this.#statements = new Statements({
      clock,
      chance: { fraction: chance },
      log: this.log,
      gossip,
      network: TEST_NETWORK,
      book: this.#book,
      store: this.store,
      mayHear: () => true,
      neededAccounts: () =>
        this.#check.accountsOf(
          this.node.membership.registry.table.all().map(({ record }) => record),
          clock.now(),
        ),
      onAdded: () => this.node.membership.recheck(),
    })
    await this.#statements.start()
  }
}

/** The account's word that a device is none of its own any more. */
export function revocationOf(account: string, device: NodeId): Uint8Array {
  return issueRevocation(signerNamed(account), {
    account: accountNamed(account),
    device,
    throughSerial: ALL_SERIALS,
    revokedAt: NOW,
    reasonCode: 0,
    extensions: new Map(),
  })
}
