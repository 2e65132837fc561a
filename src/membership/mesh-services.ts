/** The services of other nodes as routing sees them; `llm` is one of them. */
import { asRuntimeId, type NodeId, type RuntimeId } from '../core/ids.ts'
import type { NodeRecord, NodeService } from '../core/registry/node-record.ts'
import type { Registry } from '../core/registry/registry.ts'
import type { RegistryEntry } from '../core/registry/registry-table.ts'
import type { RuntimeState } from '../core/routing/candidate.ts'
import { identityGroupsOf } from '../core/routing/identity-groups.ts'
import type { PromptTrust } from '../core/routing/prompt-trust.ts'
import type { ServiceCandidate } from '../core/routing/service-candidate.ts'
import type { ServiceDirectory } from '../ports/service-directory.ts'
import type { CandidateSources } from './mesh-candidate.ts'

export interface MeshServicesDeps {
  readonly registry: Registry
  /** Those of the directory of models, so that requests are counted once for both. */
  readonly sources: CandidateSources
  /** The narrowest scope of prompts that the node of an admitted record may read. */
  readonly trustOf: (record: NodeRecord) => PromptTrust
}

/** Keeps nothing: few nodes have a service that is no `llm`, and those of a model are found by its group. */
export class MeshServices implements ServiceDirectory {
  readonly #deps: MeshServicesDeps

  constructor(deps: MeshServicesDeps) {
    this.#deps = deps
  }

  instancesOf(service: string): readonly ServiceCandidate[] {
    const entries = this.#deps.registry.table.having('service', service)
    return this.#instancesIn(sorted(entries), ({ name }) => name === service)
  }

  instancesInGroup(service: string, group: string): readonly ServiceCandidate[] {
    const entries = this.#deps.registry.table.having('group', group)
    return this.#instancesIn(sorted(entries), ({ name }) => name === service).filter(({ groups }) =>
      groups.includes(group),
    )
  }

  instancesAt(node: NodeId): readonly ServiceCandidate[] {
    const entry = this.#deps.registry.table.get(node)
    return entry === undefined ? [] : this.#instancesIn([entry], () => true)
  }

  allInstances(): readonly ServiceCandidate[] {
    return this.#instancesIn(this.#deps.registry.table.all(), () => true)
  }

  #instancesIn(
    entries: readonly RegistryEntry[],
    isWanted: (service: NodeService) => boolean,
  ): readonly ServiceCandidate[] {
    const { registry, sources, trustOf } = this.#deps
    return entries
      .filter(({ record }) => record.peer !== registry.self)
      .flatMap((entry) => {
        const trust = trustOf(entry.record)
        return entry.record.services.flatMap((service, index) =>
          isWanted(service) ? [new MeshService(sources, entry, { service, index }, trust)] : [],
        )
      })
  }
}

/** Accessors stand on the class, as in MeshCandidate. */
class MeshService implements ServiceCandidate {
  readonly node: NodeId
  readonly nodeName: string
  readonly connector = 'mesh'
  readonly runtime: RuntimeId
  readonly service: string
  readonly groups: readonly string[]
  readonly capacity: number
  readonly trust: PromptTrust
  readonly #sources: CandidateSources
  readonly #index: number
  readonly #isStale: boolean
  /** What the node says. */
  readonly #said: RuntimeState

  constructor(
    sources: CandidateSources,
    { record, status }: RegistryEntry,
    { service, index }: { readonly service: NodeService; readonly index: number },
    trust: PromptTrust,
  ) {
    this.node = record.peer
    this.nodeName = record.name
    this.runtime = asRuntimeId(service.runtime)
    this.service = service.name
    const ofModels = identityGroupsOf(service.offers)
    this.groups = ofModels.length === 0 ? service.groups : [...service.groups, ...ofModels]
    this.capacity = service.capacity
    this.trust = trust
    this.#sources = sources
    this.#index = index
    this.#isStale = status === 'stale'
    this.#said = service.state
  }

  /** What we see of the node goes before what it says of its service. */
  get state(): RuntimeState {
    return this.#isStale || !this.#sources.isUsable(this.node) ? 'unhealthy' : this.#said
  }

  get reason(): string {
    if (this.#isStale) return 'not heard of since this node started'
    if (!this.#sources.isUsable(this.node)) return this.#sources.peerOf(this.node).reason
    return this.#said === 'ready' ? '' : `its node says ${this.#said}`
  }

  get inFlight(): number {
    return this.#sources.inFlightOf(this.node, this.runtime, this.#index)
  }

  get rttMs(): number | undefined {
    return this.#sources.peerOf(this.node).rttMs
  }
}

function sorted(entries: readonly RegistryEntry[]): readonly RegistryEntry[] {
  return entries.toSorted((a, b) => (a.record.peer < b.record.peer ? -1 : 1))
}
