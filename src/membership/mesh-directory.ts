/** The models of other nodes as routing sees them. */
import type { NodeId, RuntimeId } from '../core/ids.ts'
import type { NodeRecord } from '../core/registry/node-record.ts'
import type { Registry } from '../core/registry/registry.ts'
import type { RegistryEntry, TableChange } from '../core/registry/registry-table.ts'
import type { Candidate } from '../core/routing/candidate.ts'
import type { PromptTrust } from '../core/routing/prompt-trust.ts'
import type { Directory } from '../ports/directory.ts'
import type { Liveness } from './liveness.ts'
import { type CandidateSources, MeshCandidate } from './mesh-candidate.ts'

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
  readonly #sources: CandidateSources
  /** Requests that we sent and that have not ended, by node and runtime: a load beat may be ten seconds old. */
  readonly #dispatched = new Map<string, number>()

  /** What was asked for, by model and sorted. A change of one node touches its own models only. */
  readonly #byModel = new Map<string, readonly MeshCandidate[]>()
  /** The candidates of the nodes that were asked for, in the order of their records. */
  readonly #byNode = new Map<NodeId, readonly MeshCandidate[]>()
  #all: readonly Candidate[] | undefined
  #rechecks = 0

  constructor({ registry, liveness, trustOf }: MeshDirectoryDeps) {
    this.#registry = registry
    this.#liveness = liveness
    this.#trustOf = trustOf
    this.#sources = {
      isUsable: (node) => liveness.isUsable(node),
      peerOf: (node) => liveness.view(node),
      inFlightOf: (node, runtime, service) => this.#inFlight(node, runtime, service),
    }
    registry.table.onChange((change) => this.#onChange(change))
  }

  /** Where the changing parts of candidates are, for those who make others of the same nodes. */
  get sources(): CandidateSources {
    return this.#sources
  }

  /** Each number only grows, so equal sums mean that none changed. */
  version(): number {
    return this.#registry.table.version + this.#liveness.version + this.#rechecks
  }

  candidatesFor(model: string): readonly Candidate[] {
    const known = this.#byModel.get(model)
    if (known !== undefined) return known
    const candidates = this.#registry.table
      .having('model', model)
      .flatMap((entry) => this.#candidatesOf(entry).filter(({ offer }) => offer.id === model))
      .sort(byNode)
    // Asking for what nobody has must not fill the memory.
    if (candidates.length > 0) this.#byModel.set(model, candidates)
    return candidates
  }

  all(): readonly Candidate[] {
    this.#all ??= this.#registry.table.all().flatMap((entry) => this.#candidatesOf(entry))
    return this.#all
  }

  /** Makes everything anew: whom the prompts of this node may go to was decided otherwise. */
  recheck(): void {
    this.#byModel.clear()
    this.#byNode.clear()
    this.#all = undefined
    this.#rechecks += 1
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

  #candidatesOf(entry: RegistryEntry): readonly MeshCandidate[] {
    const { record } = entry
    if (record.peer === this.#registry.self) return []
    const known = this.#byNode.get(record.peer)
    if (known !== undefined) return known
    const trust = this.#trustOf(record)
    const candidates = record.services.flatMap(({ name, offers }, service) =>
      name === SERVICE ? offers.map((offer) => new MeshCandidate(this.#sources, entry, { service, offer }, trust)) : [],
    )
    this.#byNode.set(record.peer, candidates)
    return candidates
  }

  /** Lists that were handed out stay as they are; their places are taken by new ones. */
  #onChange({ peer, before, after }: TableChange): void {
    this.#byNode.delete(peer)
    this.#all = undefined
    const models = new Set([...modelsOf(before?.record), ...modelsOf(after?.record)])
    for (const model of models) {
      const known = this.#byModel.get(model)
      if (known === undefined) continue
      const from = placeOf(known, peer)
      let count = 0
      while (known[from + count]?.node === peer) count += 1
      const fresh = after === undefined ? [] : this.#candidatesOf(after).filter(({ offer }) => offer.id === model)
      const next = known.toSpliced(from, count, ...fresh.sort(byNode))
      if (next.length === 0) this.#byModel.delete(model)
      else this.#byModel.set(model, next)
    }
  }

  /** What the node last reported, or what we know to be running there if that is more. */
  #inFlight(node: NodeId, runtime: RuntimeId, service: number): number {
    const reported = this.#registry.table.get(node)?.loads[service]?.inFlight ?? 0
    return Math.max(reported, this.#dispatched.get(keyOf(node, runtime)) ?? 0)
  }

  #count(key: string, by: 1 | -1): void {
    const count = (this.#dispatched.get(key) ?? 0) + by
    if (count === 0) this.#dispatched.delete(key)
    else this.#dispatched.set(key, count)
  }
}

function* modelsOf(record: NodeRecord | undefined): Generator<string> {
  for (const { name, offers } of record?.services ?? []) {
    if (name === SERVICE) for (const { id } of offers) yield id
  }
}

/** Where the candidates of `node` are or would be. */
function placeOf(sorted: readonly MeshCandidate[], node: NodeId): number {
  let [low, high] = [0, sorted.length]
  while (low < high) {
    const middle = (low + high) >> 1
    if ((sorted[middle]?.node ?? node) < node) low = middle + 1
    else high = middle
  }
  return low
}

function keyOf(node: NodeId, runtime: string): string {
  return `${node} ${runtime}`
}

function byNode(a: Candidate, b: Candidate): number {
  if (a.node !== b.node) return a.node < b.node ? -1 : 1
  return a.runtime < b.runtime ? -1 : 1
}
