/** What this node serves, as its record tells others and as its own routing sees it. */
import { asRuntimeId, type NodeId } from '../core/ids.ts'
import { Listeners } from '../core/listeners.ts'
import type { NodeService } from '../core/registry/node-record.ts'
import { identityGroupsOf } from '../core/routing/identity-groups.ts'
import type { ServiceCandidate } from '../core/routing/service-candidate.ts'
import type { Runtime } from '../ports/runtime.ts'
import type { ServiceDirectory } from '../ports/service-directory.ts'
import { LLM } from './local-connector.ts'
import type { LocalProvider, NodeName } from './local-provider.ts'
import type { LocalService } from './local-service.ts'
import type { LocalServices } from './local-services.ts'
import type { PublicRuntimeNames } from './public-runtime-names.ts'

export interface NodeServicesDeps {
  readonly provider: LocalProvider
  readonly services: LocalServices
  readonly names: PublicRuntimeNames
}

export class NodeServices implements ServiceDirectory, Disposable {
  readonly #deps: NodeServicesDeps
  readonly #node: NodeName
  readonly #listeners = new Listeners<[what: 'load' | 'description']>()
  readonly #endings: readonly (() => void)[]

  constructor(deps: NodeServicesDeps, node: NodeName) {
    this.#deps = deps
    this.#node = node
    const tell = (what: 'load' | 'description'): void => this.#listeners.tell(what)
    this.#endings = [deps.provider.onChange(tell), deps.services.onChange(tell)]
  }

  /** For the node record, with the loads of now; runtimes are called by their public names. */
  nodeServices(): readonly NodeService[] {
    const { provider, services, names } = this.#deps
    return [
      ...provider.runtimes().map((runtime) => runtimeService(runtime, names.nameOf(runtime.id))),
      ...services.all().map(httpService),
    ]
  }

  instancesOf(service: string): readonly ServiceCandidate[] {
    if (service !== LLM) return this.#deps.services.named(service).map((each) => serviceCandidate(this.#node, each))
    return this.#deps.provider.runtimes().map((runtime) => runtimeCandidate(this.#node, runtime))
  }

  instancesInGroup(service: string, group: string): readonly ServiceCandidate[] {
    return this.instancesOf(service).filter(({ groups }) => groups.includes(group))
  }

  instancesAt(node: NodeId): readonly ServiceCandidate[] {
    return node === this.#node.id ? this.allInstances() : []
  }

  allInstances(): readonly ServiceCandidate[] {
    const { services } = this.#deps
    return [...this.instancesOf(LLM), ...services.all().map((service) => serviceCandidate(this.#node, service))]
  }

  /**
   * Calls `listener` after runtimes, services, offers or states changed (`description`), and after the number of requests in
   * flight did, whoever asked (`load`). The result stops that.
   */
  onChange(listener: (what: 'load' | 'description') => void): () => void {
    return this.#listeners.add(listener)
  }

  [Symbol.dispose](): void {
    for (const end of this.#endings) end()
  }
}

function runtimeService(runtime: Runtime, name: string): NodeService {
  const { state, offers, capacity } = runtime.snapshot()
  return { name: LLM, runtime: name, state, groups: [], offers, capacity, load: loadOf(runtime.inFlight(), capacity) }
}

function httpService({ definition, snapshot, inFlight }: LocalService): NodeService {
  const { name, instance, groups, capacity } = definition
  const load = loadOf(inFlight, capacity)
  return { name, runtime: instance, state: snapshot.state, groups, offers: [], capacity, load }
}

/** What is beyond the capacity waits somewhere, in the runtime or before it. */
function loadOf(inFlight: number, capacity: number): NodeService['load'] {
  const queued = Math.max(0, inFlight - Math.max(1, capacity))
  return { inFlight, queued, inputRate: 0, outputRate: 0 }
}

function runtimeCandidate({ id, name }: NodeName, runtime: Runtime): ServiceCandidate {
  const { state, reason, offers, capacity } = runtime.snapshot()
  return {
    node: id,
    nodeName: name,
    connector: 'local',
    runtime: runtime.id,
    service: LLM,
    groups: identityGroupsOf(offers),
    state,
    reason,
    get inFlight() {
      return runtime.inFlight()
    },
    capacity,
    trust: 'self',
  }
}

function serviceCandidate({ id, name }: NodeName, service: LocalService): ServiceCandidate {
  const { definition, snapshot } = service
  return {
    node: id,
    nodeName: name,
    connector: 'local',
    runtime: asRuntimeId(definition.instance),
    service: definition.name,
    groups: definition.groups,
    state: snapshot.state,
    reason: snapshot.reason,
    get inFlight() {
      return service.inFlight
    },
    capacity: definition.capacity,
    trust: 'self',
  }
}
