/** A node's membership in its network: publishing itself, keeping the registry, staying connected, and judging who can be reached. */
import { HeddleError } from '../core/errors.ts'
import { peerIdOf } from '../core/identity/peer-id.ts'
import type { NodeId } from '../core/ids.ts'
import { limit } from '../core/limits.ts'
import { type parseBatch, registryTopic } from '../core/registry/gossip-batch.ts'
import type { Outcome } from '../core/registry/outcome.ts'
import type { QuotaLimits } from '../core/registry/quotas.ts'
import { Registry, type RegistryReaders } from '../core/registry/registry.ts'
import { type Hello, SYNC_PROTOCOL } from '../core/registry/sync-messages.ts'
import type { Timer } from '../ports/clock.ts'
import { Admission } from './admission.ts'
import { type BootstrapSource, type BootstrapView, Connecting } from './connecting.ts'
import type { MembershipDeps } from './deps.ts'
import { Intake, type IntakeCounts } from './intake.ts'
import { Liveness } from './liveness.ts'
import { MeshDirectory } from './mesh-directory.ts'
import { MeshServices } from './mesh-services.ts'
import { PeerHellos } from './peer-hellos.ts'
import { Publisher } from './publisher.ts'
import { encodeSnapshot, parseSnapshot } from './snapshot.ts'
import { SyncAnswers } from './sync-answers.ts'
import { SyncSchedule } from './sync-schedule.ts'

export interface MembershipOptions {
  readonly bootstrap: BootstrapSource
  readonly quotas?: QuotaLimits
  readonly readers?: MembershipReaders
}

/** See `RegistryReaders`. */
export interface MembershipReaders extends RegistryReaders {
  readonly batch: typeof parseBatch
}

export interface MembershipView {
  /** Connected to nobody; comparing the registry with the first peers; or done with that. */
  readonly state: 'alone' | 'joining' | 'joined'
  readonly peers: number
  /** Nodes listed and heard of, this one included. */
  readonly nodes: number
  readonly bootstrap: BootstrapView
  /** How far our clock is behind those of the peers, in the middle; undefined before the first comparison. */
  readonly clockSkewMs: number | undefined
  /** Models that do not fit into our record. */
  readonly omittedModels: number
  readonly gossip: IntakeCounts
}

export class Membership implements AsyncDisposable {
  readonly self: NodeId
  readonly registry: Registry
  readonly liveness: Liveness
  readonly directory: MeshDirectory
  readonly services: MeshServices
  readonly #deps: MembershipDeps
  readonly #publisher: Publisher
  readonly #intake: Intake
  readonly #connecting: Connecting
  readonly #schedule: SyncSchedule
  readonly #answers: SyncAnswers
  readonly #admission: Admission
  readonly #hellos: PeerHellos
  readonly #endings: (() => void)[] = []
  readonly #stopped = new AbortController()
  #sweep: Timer | undefined
  #save: Timer | undefined
  #savedVersion = -1

  constructor(deps: MembershipDeps, { bootstrap, quotas, readers }: MembershipOptions) {
    const { clock, gossip, key, membersOnly, network, objectionTo, scheme, trustOf } = deps
    this.#deps = deps
    this.self = peerIdOf(key.publicKey)
    this.registry = new Registry({
      scheme,
      network,
      self: this.self,
      objectionTo,
      ...(quotas && { quotas }),
      ...(readers && { readers }),
    })
    this.liveness = new Liveness(deps)
    this.directory = new MeshDirectory({ registry: this.registry, liveness: this.liveness, trustOf })
    this.services = new MeshServices({ registry: this.registry, sources: this.directory.sources, trustOf })
    this.#publisher = new Publisher(deps, this.registry)
    this.#connecting = new Connecting(deps, this.registry, bootstrap)
    const onOutcome = (outcome: Outcome): void => this.#onOutcome(outcome)
    const onHello = (from: NodeId, hello: Hello): void => this.#onHello(from, hello)
    this.#hellos = new PeerHellos(deps)
    const objectionToPeer = (peer: NodeId): string | undefined => this.#hellos.objectionTo(peer)
    const shared = { clock, network, registry: this.registry, membersOnly, onOutcome, onHello, objectionToPeer }
    this.#answers = new SyncAnswers(shared)
    this.#schedule = new SyncSchedule(deps, { ...shared, chance: deps.chance, exchange: gossip }, () =>
      this.#connecting.dialled(),
    )
    this.#admission = new Admission(deps, {
      isListed: (peer) => this.registry.table.get(peer) !== undefined,
      compare: (peer) => this.#schedule.compare(peer),
    })
    this.#intake = new Intake(
      { clock, registry: this.registry, parse: readers?.batch },
      {
        own: (position) => this.#publisher.supersede(position),
        equivocation: (_peer, proof) => this.#publisher.spreadProof(proof),
        behind: (from) => this.#schedule.soon(from),
      },
    )
  }

  /** Reads what was known last time and begins to take part; the network answers later. */
  async start({ signal }: { readonly signal: AbortSignal }): Promise<void> {
    const { gossip, network } = this.#deps
    await this.#restore({ signal })
    this.#endings.push(
      gossip.subscribe(registryTopic(network), (message) => this.#intake.judge(message)),
      gossip.answer(SYNC_PROTOCOL, (from, question, options) => this.#answers.answer(from, question, options)),
      gossip.onChange(({ peer, isConnected }) => {
        if (!isConnected) return
        this.liveness.connected(peer)
        if (gossip.peers().length === 1) this.#publisher.connected()
      }),
    )
    this.#publisher.start()
    this.#schedule.start()
    this.#connecting.start()
    this.#scheduleSweep()
    this.#scheduleSave()
  }

  view(): MembershipView {
    const peers = this.#deps.gossip.peers().length
    return {
      state: peers === 0 ? 'alone' : this.#schedule.hasJoined ? 'joined' : 'joining',
      peers,
      nodes: this.registry.table.live,
      bootstrap: this.#connecting.view,
      clockSkewMs: this.#hellos.clockSkewMs,
      omittedModels: this.#publisher.omittedModels,
      gossip: { ...this.#intake.counts },
    }
  }

  /**
   * Whether `peer` belongs to the network: it has a record here to which nothing objects. Of a peer that is connected and not
   * listed yet its record is asked for, for at most `admissionWaitMs`.
   */
  async admit(peer: NodeId, options: { readonly signal: AbortSignal }): Promise<boolean> {
    return await this.#admission.admit(peer, options)
  }

  /** Why nothing is exchanged with a connected peer: another network, version or time. For people; undefined where all is well. */
  objectionToPeer(peer: NodeId): string | undefined {
    return this.#hellos.objectionTo(peer)
  }

  /** A session with `peer` broke or fell silent; one that was never listed or has said farewell is nobody's provider. */
  lost(peer: NodeId, why: 'broken' | 'silent'): void {
    if (this.registry.table.get(peer) !== undefined) this.liveness.lost(peer, why)
  }

  /** Says farewell to the network; call it before disposing when the node stops on purpose. */
  async leave(options: { readonly signal: AbortSignal }): Promise<void> {
    await this.#publisher.leave(options)
  }

  /** Drops the nodes that a new revocation or policy speaks against. */
  recheck(): void {
    this.registry.recheck(this.#deps.clock.now())
    this.directory.recheck()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#stopped.signal.aborted) return
    for (const end of this.#endings) end()
    this.#publisher.stop()
    this.#schedule.stop()
    this.#admission.stop()
    this.#connecting.stop()
    this.liveness.stop()
    this.#sweep?.cancel()
    this.#save?.cancel()
    await this.#saveNow()
    this.#stopped.abort(new Error('membership has stopped'))
  }

  #onOutcome(outcome: Outcome): void {
    if (outcome.kind === 'own') this.#publisher.supersede(outcome.position)
    else if (outcome.kind === 'equivocation') this.#publisher.spreadProof(outcome.proof)
  }

  #onHello(from: NodeId, hello: Hello): void {
    this.#hellos.heard(from, hello)
    this.#schedule.heardHello(from)
  }

  #scheduleSweep(): void {
    const { clock } = this.#deps
    this.#sweep = clock.after(limit('sweepMs'), () => {
      for (const peer of this.registry.sweep(clock.now(), clock.monotonic())) {
        this.#deps.log.debug({ peer }, 'a node was not heard of for its lease and is gone')
      }
      this.liveness.retain((peer) => this.registry.table.get(peer) !== undefined)
      this.#scheduleSweep()
    })
  }

  #scheduleSave(): void {
    const pauseMs = Math.min(limit('registrySaveMs'), limit('registrySaveLeastMs') + 3 * this.registry.table.live)
    this.#save = this.#deps.clock.after(pauseMs, () => {
      void this.#saveNow().then(() => {
        if (!this.#stopped.signal.aborted) this.#scheduleSave()
      })
    })
  }

  async #saveNow(): Promise<void> {
    const { table } = this.registry
    const { store } = this.#deps
    if (store === undefined || table.version === this.#savedVersion) return
    const version = table.version
    const records = table.all().map(({ signed }) => signed.bytes)
    const late = new AbortController()
    try {
      using _ = this.#deps.clock.after(limit('snapshotTimeoutMs'), () =>
        late.abort(new HeddleError('timeout', 'the disk is slow')),
      )
      const bytes = encodeSnapshot({ records, gone: table.allGone(), goodPeers: this.#connecting.good.all() })
      await store.save(bytes, late)
      this.#savedVersion = version
    } catch (error) {
      // The network knows it all; only the next start is slower.
      this.#deps.log.warn(
        { code: error instanceof HeddleError ? error.code : 'internal' },
        'cannot save what is known of the network',
      )
    }
  }

  async #restore({ signal }: { readonly signal: AbortSignal }): Promise<void> {
    const { clock, store, log } = this.#deps
    const bytes = await store?.load({ signal })
    const snapshot = bytes && parseSnapshot(bytes)
    if (snapshot === undefined) {
      if (bytes !== undefined) log.warn({}, 'what was saved of the network cannot be read; starting without it')
      return
    }
    for (const good of snapshot.goodPeers.toReversed()) this.#connecting.good.add(good)
    const arrival = { now: clock.now(), at: clock.monotonic(), source: 'disk' as const, idleMs: 0 }
    for (const gone of snapshot.gone) this.registry.restoreGone(gone, arrival)
    for (const record of snapshot.records) {
      const outcome = this.registry.receiveRecord(record, arrival)
      if (outcome.kind === 'own') this.#publisher.startAfter(outcome.position)
    }
  }
}
