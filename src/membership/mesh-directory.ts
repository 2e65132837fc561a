/** The models of other nodes as routing sees them. */
import { asRuntimeId, type NodeId } from '../core/ids.ts'
import type { NodeRecord, NodeService } from '../core/registry/node-record.ts'
import type { Registry } from '../core/registry/registry.ts'
import type { RegistryEntry } from '../core/registry/registry-table.ts'
import type { Candidate, ModelOffer } from '../core/routing/candidate.ts'
import type { PromptTrust } from '../core/routing/prompt-trust.ts'
import type { Directory } from '../ports/directory.ts'
import type { Liveness } from './liveness.ts'

const SERVICE = 'llm'

export interface MeshDirectoryDeps {
  readonly registry: Registry
  readonly liveness: Liveness
  /** The narrowest scope of prompts that the node of an admitted record may read. */
  readonly trustOf: (record: NodeRecord) => PromptTrust
}

export class MeshDirectory implements Directory {
  readonly #registry: Registry
  readonly #liveness: Liveness
  readonly #trustOf: MeshDirectoryDeps['trustOf']
  /** Requests that we sent and that have not ended, by node and runtime: a load beat may be ten seconds old. */
  readonly #dispatched = new Map<string, number>()

  /** What was made for `#madeFor`; candidates read their in-flight number when asked, so only versions end them. */
  #byModel = new Map<string, readonly Candidate[]>()
  #all: readonly Candidate[] | undefined
  #madeFor = -1

  constructor({ registry, liveness, trustOf }: MeshDirectoryDeps) {
    this.#registry = registry
    this.#liveness = liveness
    this.#trustOf = trustOf
  }

  /** Both numbers only grow, so equal sums mean that neither changed. */
  version(): number {
    return this.#registry.table.version + this.#liveness.version
  }

  candidatesFor(model: string): readonly Candidate[] {
    const known = this.#cached().get(model)
    if (known !== undefined) return known
    const candidates = this.#registry.table
      .having('model', model)
      .flatMap((entry) => this.#candidatesOf(entry, (offer) => offer.id === model))
      .sort(byNode)
    // Asking for what nobody has must not fill the memory.
    if (candidates.length > 0) this.#byModel.set(model, candidates)
    return candidates
  }

  all(): readonly Candidate[] {
    this.#cached()
    this.#all ??= this.#registry.table.all().flatMap((entry) => this.#candidatesOf(entry, () => true))
    return this.#all
  }

  /** Counts a request that was sent to a candidate; call the result once when it has ended. */
  dispatched({ node, runtime }: Pick<Candidate, 'node' | 'runtime'>): () => void {
    const key = keyOf(node, runtime)
    this.#count(key, 1)
    let isOver = false
    return () => {
      if (!isOver) this.#count(key, -1)
      isOver = true
    }
  }

  #candidatesOf(entry: RegistryEntry, isWanted: (offer: ModelOffer) => boolean): readonly Candidate[] {
    const { record } = entry
    if (record.peer === this.#registry.self) return []
    return record.services.flatMap((service, index) => {
      if (service.name !== SERVICE) return []
      const { state, reason } = this.#stateOf(entry, service)
      const inFlight = (): number => this.#inFlight(record.peer, service.runtime, index)
      const rttMs = (): number | undefined => this.#liveness.view(record.peer).rttMs
      const trust = this.#trustOf(record)
      return service.offers.filter(isWanted).map((offer) => ({
        node: record.peer,
        nodeName: record.name,
        connector: 'mesh' as const,
        runtime: asRuntimeId(service.runtime),
        offer,
        state,
        reason,
        get inFlight() {
          return inFlight()
        },
        capacity: service.capacity,
        region: record.region?.name,
        trust,
        get rttMs() {
          return rttMs()
        },
      }))
    })
  }

  /** What the node last reported, or what we know to be running there if that is more. */
  #inFlight(node: NodeId, runtime: string, service: number): number {
    const reported = this.#registry.table.get(node)?.loads[service]?.inFlight ?? 0
    return Math.max(reported, this.#dispatched.get(keyOf(node, runtime)) ?? 0)
  }

  #cached(): ReadonlyMap<string, readonly Candidate[]> {
    const version = this.version()
    if (version === this.#madeFor) return this.#byModel
    this.#madeFor = version
    this.#byModel = new Map()
    this.#all = undefined
    return this.#byModel
  }

  /** What we see of the node goes before what it says of its runtime. */
  #stateOf({ record, status }: RegistryEntry, service: NodeService): Pick<Candidate, 'state' | 'reason'> {
    if (status === 'stale') return { state: 'unhealthy', reason: 'not heard of since this node started' }
    if (!this.#liveness.isUsable(record.peer)) {
      return { state: 'unhealthy', reason: this.#liveness.view(record.peer).reason }
    }
    return { state: service.state, reason: service.state === 'ready' ? '' : `its node says ${service.state}` }
  }

  #count(key: string, by: 1 | -1): void {
    const count = (this.#dispatched.get(key) ?? 0) + by
    if (count === 0) this.#dispatched.delete(key)
    else this.#dispatched.set(key, count)
  }
}

function keyOf(node: NodeId, runtime: string): string {
  return `${node} ${runtime}`
}

function byNode(a: Candidate, b: Candidate): number {
  if (a.node !== b.node) return a.node < b.node ? -1 : 1
  return a.runtime < b.runtime ? -1 : 1
}
