/** The nodes that the registry holds: what is listed, what is remembered of those that are gone, and the ways to look them up. */
import { hexOf } from '../identity/bytes.ts'
import type { PublicKey } from '../identity/ed25519-rules.ts'
import { peerIdOf } from '../identity/peer-id.ts'
import type { MonotonicMs, NodeId, UnixMs } from '../ids.ts'
import { Digest } from './digest.ts'
import { encodeProof } from './equivocation.ts'
import type { SignedBeat } from './load-beat.ts'
import { recordsOf, type Slot } from './merge.ts'
import type { NodeRecord, ServiceLoad, SignedRecord } from './node-record.ts'
import { type QuotaLimits, Quotas } from './quotas.ts'
import { type IndexedBy, RecordIndex } from './record-index.ts'
import type { AdmissionRefusal } from './record-refusal.ts'
import { isSameDescription } from './same-description.ts'

export interface RegistryEntry {
  readonly signed: SignedRecord
  readonly record: NodeRecord
  /** Stale: nothing proves yet that it lives, as of what an earlier run remembered; shown and dialled, never routed to or passed on. */
  readonly status: 'live' | 'stale'
  /** One for each service of the record, in its order. */
  readonly loads: readonly ServiceLoad[]
  /** The newest of the record's incarnation. */
  readonly beat: SignedBeat | undefined
  /** The last sign of life, by our monotonic clock. */
  readonly heardAt: MonotonicMs
  readonly leaseEndsAt: MonotonicMs
}

/** What is kept of a node that is not listed, so that what was said before it went does not bring it back. */
export interface GoneNode {
  readonly slot: Slot
  readonly cause: 'left' | 'expired' | 'equivocation'
  readonly beatNumber: number
  /** When what is remembered would be refused for its age anyway. */
  readonly forgetAt: UnixMs
}

/** What is kept on disk of a node that is gone. */
export interface RememberedNode {
  readonly cause: GoneNode['cause']
  readonly beatNumber: number
  /** Its newest record as it travels, or the proof of its equivocation. */
  readonly bytes: Uint8Array
}

/** One node was listed, signed another record, or went. */
export interface TableChange {
  readonly peer: NodeId
  readonly before: RegistryEntry | undefined
  readonly after: RegistryEntry | undefined
}

export class RegistryTable {
  readonly #entries = new Map<NodeId, RegistryEntry>()
  readonly #gone = new Map<NodeId, GoneNode>()
  readonly #index = new RecordIndex()
  readonly #quotas: Quotas
  readonly #mostGone: number
  readonly #peers = new Map<string, NodeId>()
  readonly digest = new Digest()
  readonly #listeners = new Set<(change: TableChange) => void>()
  #sorted: readonly NodeId[] | undefined
  #version = 0
  #loadVersion = 0
  #live = 0

  constructor(quotas: QuotaLimits) {
    this.#quotas = new Quotas(quotas)
    this.#mostGone = quotas.records
  }

  /** Changes whenever a node is listed, revived or gone, or says something else of itself; not when it only signs again. */
  get version(): number {
    return this.#version
  }

  /** Changes whenever a load did. */
  get loadVersion(): number {
    return this.#loadVersion
  }

  /** Nodes listed and heard of. */
  get live(): number {
    return this.#live
  }

  get size(): number {
    return this.#entries.size
  }

  get remembered(): number {
    return this.#gone.size
  }

  get(peer: NodeId): RegistryEntry | undefined {
    return this.#entries.get(peer)
  }

  gone(peer: NodeId): GoneNode | undefined {
    return this.#gone.get(peer)
  }

  /** Every listed node, by peer id. */
  all(): readonly RegistryEntry[] {
    this.#sorted ??= [...this.#entries.keys()].sort()
    return this.#sorted.map((peer) => this.#entries.get(peer)).filter((entry) => entry !== undefined)
  }

  /** Every listed node, in no order. */
  values(): Iterable<RegistryEntry> {
    return this.#entries.values()
  }

  /** What must not be forgotten over a restart, or what was said before a node went could bring it back. */
  allGone(): readonly RememberedNode[] {
    return [...this.#gone.values()].map(({ slot, cause, beatNumber }) => ({
      cause,
      beatNumber,
      bytes: slot.kind === 'record' ? slot.newest.bytes : encodeProof(slot),
    }))
  }

  /** The nodes that have this service, identity group or model, in no order. */
  having(by: IndexedBy, key: string): readonly RegistryEntry[] {
    return [...this.#index.nodes(by, key)].map((peer) => this.#entries.get(peer)).filter((entry) => entry !== undefined)
  }

  keys(by: IndexedBy): readonly string[] {
    return [...this.#index.keys(by)]
  }

  /** What is known of a node's records, listed or gone. */
  slotOf(peer: NodeId): Slot | undefined {
    const entry = this.#entries.get(peer)
    return entry === undefined ? this.#gone.get(peer)?.slot : { kind: 'record', newest: entry.signed }
  }

  /** The peer id of a key, without computing it again for nodes that are known. */
  peerOf(key: PublicKey): NodeId {
    return this.#peers.get(hexOf(key)) ?? peerIdOf(key)
  }

  /** Calls `listener` after every change but those of loads and leases. The result stops that. */
  onChange(listener: (change: TableChange) => void): () => void {
    this.#listeners.add(listener)
    return () => void this.#listeners.delete(listener)
  }

  /** Why `record` has no place. */
  quotaRefusal(record: NodeRecord): AdmissionRefusal | undefined {
    return this.#quotas.refusalOf(record, this.#entries.get(record.peer)?.record)
  }

  /** Why a farewell is not remembered: those of strangers must not push out what is known of nodes that were here. */
  farewellRefusal({ peer }: NodeRecord): AdmissionRefusal | undefined {
    const isFull = this.#gone.size >= this.#mostGone && this.slotOf(peer) === undefined
    return isFull ? { kind: 'full', what: 'registry' } : undefined
  }

  /** Lists a node, in place of what was known of it. */
  put(entry: RegistryEntry): void {
    const { record } = entry
    const before = this.#entries.get(record.peer)
    if (before?.signed.id === entry.signed.id && before.status === entry.status) {
      this.#entries.set(record.peer, entry)
      if (before.loads !== entry.loads) this.#loadVersion += 1
      return
    }
    const isSame = before?.status === entry.status && isSameDescription(before.record, record)
    if (before !== undefined) this.#unlist(before)
    this.#forget(record.peer)
    this.#entries.set(record.peer, entry)
    this.#peers.set(hexOf(record.publicKey), record.peer)
    this.#index.add(record)
    this.#quotas.add(record)
    if (entry.status === 'live') {
      this.digest.add(record.peer, record.publicKey, entry.signed.id)
      this.#live += 1
    }
    if (isSame) this.#loadVersion += 1
    else this.#changed()
    this.#tell({ peer: record.peer, before, after: entry })
  }

  /** Takes a node off the list and remembers why. */
  remove(peer: NodeId, gone: GoneNode): void {
    this.drop(peer)
    this.#forget(peer)
    this.#gone.set(peer, gone)
    const [{ record }] = recordsOf(gone.slot)
    this.#peers.set(hexOf(record.publicKey), peer)
    if (gone.slot.kind === 'equivocation') this.#digestProof(gone.slot.records, 'add')
    const [oldest] = this.#gone.keys()
    if (this.#gone.size > this.#mostGone && oldest !== undefined) this.#forget(oldest)
  }

  /** Takes a node off the list and remembers nothing. */
  drop(peer: NodeId): void {
    const entry = this.#entries.get(peer)
    if (entry === undefined) return
    this.#unlist(entry)
    this.#changed()
    this.#tell({ peer, before: entry, after: undefined })
  }

  /** Forgets what went so long ago that it would be refused for its age. */
  forgetUntil(now: UnixMs): void {
    for (const [peer, { forgetAt }] of this.#gone) if (forgetAt <= now) this.#forget(peer)
  }

  #unlist({ record, signed, status }: RegistryEntry): void {
    this.#entries.delete(record.peer)
    this.#peers.delete(hexOf(record.publicKey))
    this.#index.remove(record)
    this.#quotas.remove(record)
    if (status !== 'live') return
    this.digest.remove(record.peer, record.publicKey, signed.id)
    this.#live -= 1
  }

  #forget(peer: NodeId): void {
    const gone = this.#gone.get(peer)
    if (gone === undefined) return
    this.#gone.delete(peer)
    this.#peers.delete(hexOf(recordsOf(gone.slot)[0].record.publicKey))
    if (gone.slot.kind === 'equivocation') this.#digestProof(gone.slot.records, 'remove')
  }

  /** A proof counts in the digest as both of its records, so that it spreads like one. */
  #digestProof(records: readonly SignedRecord[], change: 'add' | 'remove'): void {
    for (const { record, id } of records) this.digest[change](record.peer, record.publicKey, id)
  }

  #tell(change: TableChange): void {
    for (const listener of this.#listeners) listener(change)
  }

  #changed(): void {
    this.#sorted = undefined
    this.#version += 1
    this.#loadVersion += 1
  }
}
