/** The models of other nodes as routing sees them. */
import { asRuntimeId, type NodeId } from '../core/ids.ts'
import type { NodeService } from '../core/registry/node-record.ts'
import type { Registry } from '../core/registry/registry.ts'
import type { RegistryEntry } from '../core/registry/registry-table.ts'
import type { Candidate, ModelOffer } from '../core/routing/candidate.ts'
import type { Directory } from '../ports/directory.ts'
import type { Liveness } from './liveness.ts'

const SERVICE = 'llm'

export class MeshDirectory implements Directory {
  readonly #registry: Registry
  readonly #liveness: Liveness
  /** Requests that we sent and that have not ended, by node and runtime: a load beat may be ten seconds old. */
  readonly #dispatched = new Map<string, number>()

  constructor({ registry, liveness }: { readonly registry: Registry; readonly liveness: Liveness }) {
    this.#registry = registry
    this.#liveness = liveness
  }

  /** Both numbers only grow, so equal sums mean that neither changed. */
  version(): number {
    return this.#registry.table.version + this.#liveness.version
  }

  candidatesFor(model: string): readonly Candidate[] {
    return this.#registry.table
      .having('model', model)
      .flatMap((entry) => this.#candidatesOf(entry, (offer) => offer.id === model))
      .sort(byNode)
  }

  all(): readonly Candidate[] {
    return this.#registry.table.all().flatMap((entry) => this.#candidatesOf(entry, () => true))
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
    const { record, loads } = entry
    if (record.peer === this.#registry.self) return []
    return record.services.flatMap((service, index) => {
      if (service.name !== SERVICE) return []
      const { state, reason } = this.#stateOf(entry, service)
      const reported = loads[index]?.inFlight ?? 0
      const inFlight = Math.max(reported, this.#dispatched.get(keyOf(record.peer, service.runtime)) ?? 0)
      return service.offers.filter(isWanted).map((offer) => ({
        node: record.peer,
        nodeName: record.name,
        connector: 'mesh' as const,
        runtime: asRuntimeId(service.runtime),
        offer,
        state,
        reason,
        inFlight,
        capacity: service.capacity,
      }))
    })
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
