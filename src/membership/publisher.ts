/** Tells the network about this node: its record on change and every ten minutes, load beats between, and a farewell at the end. */

import { hexOf } from '../core/identity/bytes.ts'
import { encodeCanonical } from '../core/identity/canonical.ts'
import type { UnixMs } from '../core/ids.ts'
import { limit } from '../core/limits.ts'
import { fitDescription } from '../core/registry/fit-record.ts'
import { encodeBatch, type GossipBatch, registryTopic } from '../core/registry/gossip-batch.ts'
import { beatIntervalMs, leaseMsFor } from '../core/registry/lease.ts'
import { signLoadBeat } from '../core/registry/load-beat.ts'
import { IDLE_LOAD, loadClassOf, type NodeDescription, type Position } from '../core/registry/node-record.ts'
import { descriptionFields, signNodeRecord } from '../core/registry/record-codec.ts'
import type { Registry } from '../core/registry/registry.ts'
import { soundDescription } from '../core/registry/sound-description.ts'
import type { Timer } from '../ports/clock.ts'
import { jittered, type MembershipDeps } from './deps.ts'
import { TokenBuckets } from './token-buckets.ts'

/** Changes that come together become one record. */
const GATHER_MS = 100
/** After the first connection: by then its gossip has a way, which it did not have when the record was signed. */
const ANNOUNCE_MS = 1_000

export class Publisher {
  readonly #deps: MembershipDeps
  readonly #registry: Registry
  readonly #records = new TokenBuckets({
    perSecond: 1_000 / limit('recordPauseMs'),
    burst: limit('recordBurst'),
    most: 1,
  })
  readonly #beats = new TokenBuckets({ perSecond: 1_000 / limit('beatPauseMs'), burst: limit('recordBurst'), most: 1 })
  readonly #stopped = new AbortController()
  #position: Position
  #beatNumber = 0
  /** What the newest record says apart from loads and numbers. */
  #published = ''
  #loadClasses = ''
  #refresh: Timer | undefined
  #beat: Timer | undefined
  #change: Timer | undefined
  #loadChange: Timer | undefined
  #announce: Timer | undefined
  #unsubscribe: (() => void) | undefined
  #omittedModels = 0

  constructor(deps: MembershipDeps, registry: Registry) {
    this.#deps = deps
    this.#registry = registry
    // The time is later than that of the last start, and where it is not, others tell us: see `supersede`.
    this.#position = { incarnation: deps.clock.now(), seq: 0 }
  }

  get position(): Position {
    return this.#position
  }

  /** Models that did not fit into the newest record. */
  get omittedModels(): number {
    return this.#omittedModels
  }

  start(): void {
    this.#publishRecord()
    this.#unsubscribe = this.#deps.local.onChange((what) => (what === 'load' ? this.#onLoad() : this.#onDescription()))
    this.#scheduleBeat()
  }

  /** This node was alone and is connected now: what it said meanwhile went nowhere. */
  connected(): void {
    this.#announce?.cancel()
    if (this.#stopped.signal.aborted) return
    const { clock } = this.#deps
    const waitMs = Math.max(ANNOUNCE_MS, this.#beats.waitMs('', clock.monotonic()))
    this.#announce = clock.after(waitMs, () => this.#publishBeat({ withRecord: true }))
  }

  /** An earlier run of this node published up to `position`. */
  startAfter({ incarnation }: Position): void {
    this.#position = { incarnation: Math.max(this.#position.incarnation, incarnation + 1), seq: 0 }
  }

  /** Somebody has a record of ours that is as new as ours and another, or newer: ours must come after it. */
  supersede({ incarnation, seq }: Position): void {
    const ours = this.#position
    if (incarnation < ours.incarnation || (incarnation === ours.incarnation && seq < ours.seq)) return
    const next = Math.max(this.#deps.clock.now(), incarnation + 1)
    if (!Number.isSafeInteger(next)) {
      this.#deps.log.error(
        { incarnation },
        'a record of this node has the last number there is; give it a new device key',
      )
      return
    }
    this.#deps.log.warn({ incarnation, seq }, 'another record of this node is in the network; publishing a newer one')
    this.#position = { incarnation: next, seq: 0 }
    this.#beatNumber = 0
    this.#published = ''
    this.#onDescription()
  }

  /** Says that this node leaves. Nothing is published after it. */
  async leave(options: { readonly signal: AbortSignal }): Promise<void> {
    this.stop()
    const described = soundDescription(this.#deps.local.describe())
    const farewell: NodeDescription = { ...described, addresses: [], services: [], hardware: undefined }
    const { bytes } = signNodeRecord(this.#deps, farewell, this.#numbers(0))
    await this.#send({ records: [bytes], beats: [], proofs: [] }, options.signal)
  }

  /** Spreads a proof that was found here. */
  spreadProof(proof: Uint8Array): void {
    void this.#send({ records: [], beats: [], proofs: [proof] }, this.#stopped.signal)
  }

  stop(): void {
    this.#unsubscribe?.()
    for (const timer of [this.#refresh, this.#beat, this.#change, this.#loadChange, this.#announce]) timer?.cancel()
    this.#stopped.abort(new Error('membership has stopped'))
  }

  #onDescription(): void {
    const { clock } = this.#deps
    if (this.#change !== undefined || this.#stopped.signal.aborted) return
    const waitMs = Math.max(GATHER_MS, this.#records.waitMs('', clock.monotonic()))
    this.#change = clock.after(waitMs, () => {
      this.#change = undefined
      if (this.#contentOf(soundDescription(this.#deps.local.describe())) !== this.#published) this.#publishRecord()
    })
  }

  #onLoad(): void {
    const { clock, local } = this.#deps
    if (this.#loadChange !== undefined || this.#stopped.signal.aborted) return
    const waitMs = Math.max(GATHER_MS, this.#beats.waitMs('', clock.monotonic()))
    this.#loadChange = clock.after(waitMs, () => {
      this.#loadChange = undefined
      if (classesOf(local.describe()) !== this.#loadClasses) this.#publishBeat()
    })
  }

  #publishRecord(): void {
    const { clock, chance, local } = this.#deps
    this.#records.take('', clock.monotonic())
    const described = soundDescription(local.describe())
    const { description, omittedModels } = fitDescription(described)
    if (omittedModels > 0 && omittedModels !== this.#omittedModels) {
      this.#deps.log.warn({ omittedModels }, 'a node record holds no more models; the others are not published')
    }
    this.#omittedModels = omittedModels
    this.#position = { ...this.#position, seq: this.#position.seq + 1 }
    const signed = signNodeRecord(this.#deps, description, this.#numbers(leaseMsFor(this.#registry.table.live)))
    this.#published = this.#contentOf(described)
    this.#loadClasses = classesOf(described)
    this.#registry.putOwn(signed, clock.monotonic())
    this.#refresh?.cancel()
    // Never later than the refresh time: others refuse what is older.
    const refreshMs = Math.min(limit('recordRefreshMs'), jittered(chance, limit('recordRefreshMs') * 0.9))
    this.#refresh = clock.after(refreshMs, () => this.#publishRecord())
    void this.#send({ records: [signed.bytes], beats: [], proofs: [] }, this.#stopped.signal)
  }

  #publishBeat({ withRecord = false } = {}): void {
    const { clock, key, local, network } = this.#deps
    this.#beats.take('', clock.monotonic())
    const own = this.#registry.table.get(this.#registry.self)
    if (own === undefined) return
    const described = soundDescription(local.describe())
    // The loads belong to the services of the record, in its order; a change of the services brings a record of its own.
    const loads = own.record.services.map(({ name, runtime }) => {
      const now = described.services.find((each) => each.name === name && each.runtime === runtime)
      return now?.load ?? IDLE_LOAD
    })
    this.#beatNumber += 1
    const beat = signLoadBeat(key, {
      ...this.#position,
      network,
      number: this.#beatNumber,
      sentAt: clock.now(),
      leaseMs: leaseMsFor(this.#registry.table.live),
      loads,
    })
    this.#loadClasses = classesOf(described)
    this.#registry.putOwnBeat(beat, clock.monotonic())
    this.#scheduleBeat()
    const records = withRecord ? [own.signed.bytes] : []
    void this.#send({ records, beats: [beat.bytes], proofs: [] }, this.#stopped.signal)
  }

  #scheduleBeat(): void {
    const { clock, chance } = this.#deps
    this.#beat?.cancel()
    if (this.#stopped.signal.aborted) return
    const intervalMs = beatIntervalMs(this.#registry.table.live)
    this.#beat = clock.after(jittered(chance, intervalMs), () => this.#publishBeat())
  }

  async #send(batch: GossipBatch, signal: AbortSignal): Promise<void> {
    try {
      await this.#deps.gossip.publish(registryTopic(this.#deps.network), encodeBatch(batch), { signal })
    } catch (error) {
      // Anti-entropy brings it to the others later.
      if (!signal.aborted) this.#deps.log.warn({ error }, 'cannot publish to the network')
    }
  }

  #numbers(leaseMs: number): Position & { network: MembershipDeps['network']; signedAt: UnixMs; leaseMs: number } {
    const isFarewell = leaseMs === 0
    const { incarnation, seq } = this.#position
    return {
      network: this.#deps.network,
      incarnation,
      seq: isFarewell ? seq + 1 : seq,
      signedAt: this.#deps.clock.now(),
      leaseMs,
    }
  }

  #contentOf(description: NodeDescription): string {
    const services = description.services.map((service) => ({ ...service, load: IDLE_LOAD }))
    return hexOf(encodeCanonical(descriptionFields({ ...description, services })))
  }
}

function classesOf({ services }: NodeDescription): string {
  return services.map((service) => loadClassOf(service, service.load)).join()
}
