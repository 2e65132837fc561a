/** What a node says of itself: status, running models, readiness. */
import type { NodeView, Ps, PsEntry, Status } from '../core/wire/admin.ts'
import type { NodeDetail, NodeServiceView } from '../core/wire/admin-mesh.ts'
import type { Catalogue } from '../gateway/catalogue.ts'
import type { HealthFacts, Readiness } from '../http/admin/deps.ts'
import { runtimeView } from '../http/admin/views.ts'
import type { ModelLibrary } from '../models/library.ts'
import type { Clock } from '../ports/clock.ts'
import type { Runtime } from '../ports/runtime.ts'
import type { LocalProvider } from '../provider/local-provider.ts'
import type { Config } from './config.ts'
import { meshHealth } from './mesh-health.ts'
import type { MeshParts } from './mesh-parts.ts'
import { meshStatus } from './mesh-status.ts'
import { offerView, otherNodes } from './mesh-views.ts'
import { nodeHealth } from './node-health.ts'
import type { Identity } from './open-identity.ts'

export interface NodeStatusDeps {
  readonly clock: Clock
  readonly config: Config
  readonly identity: Identity
  readonly provider: LocalProvider
  /** The models of every node of the network. */
  readonly catalogue: Pick<Catalogue, 'models'>
  /** Undefined in mode standalone, and until the mesh is open. */
  readonly mesh: () => MeshParts | undefined
  readonly library: ModelLibrary
  readonly version: string
  readonly startedAtMs: number
  /** Known once the server listens. */
  readonly url: () => string
  readonly isDraining: () => boolean
  /** Whether nothing but the tiny embedded model is offered. */
  readonly isDemoOnly: () => boolean
}

export class NodeStatus {
  readonly #deps: NodeStatusDeps

  constructor(deps: NodeStatusDeps) {
    this.#deps = deps
  }

  status(): Status {
    const { catalogue, clock, config, identity, provider, version, startedAtMs, url } = this.#deps
    const runtimes = provider.runtimes()
    const mesh = this.#deps.mesh()
    return {
      schema: 'heddle.status/v1',
      state: this.#state(runtimes),
      health: [...nodeHealth(this.#deps), ...(mesh === undefined ? [] : meshHealth(mesh))],
      node: { id: identity.id, name: config.name, fingerprint: identity.fingerprint },
      http: { url: url() },
      mesh: meshStatus(config.mode, mesh),
      // A node without a network is one by itself.
      network: mesh === undefined ? { id: identity.fingerprint, name: config.name } : { ...mesh.network },
      nodes: [this.self(), ...(mesh === undefined ? [] : otherNodes(mesh))],
      version,
      startedAt: new Date(startedAtMs).toISOString(),
      runtimes: runtimes.map((runtime) => runtimeView(runtime, clock.now())),
      models: catalogue.models().length,
    }
  }

  /** This node among the nodes of its network. */
  self(): NodeView {
    const { clock, config, identity, provider, version } = this.#deps
    const runtimes = provider.runtimes()
    const state = this.#state(runtimes)
    const problem = runtimes.map((runtime) => runtime.snapshot()).find((snapshot) => snapshot.state !== 'ready')
    const isOnline = state === 'running' || (runtimes.length === 0 && state !== 'draining')
    return {
      id: identity.id,
      name: config.name,
      state: isOnline ? 'online' : state === 'starting' || state === 'draining' ? state : 'degraded',
      reason: isOnline ? '' : (problem?.reason ?? ''),
      connector: 'local',
      account: 'self',
      path: null,
      rttMs: null,
      version,
      region: config.region ?? null,
      tiers: [],
      models: readyModels(provider),
      inFlight: runtimes.reduce((sum, runtime) => sum + runtime.inFlight(), 0),
      capacity: runtimes.reduce((sum, runtime) => sum + runtime.snapshot().capacity, 0),
      lastSeen: new Date(clock.now()).toISOString(),
    }
  }

  /** The same in full, for a node that publishes no record. */
  selfDetail(): NodeDetail {
    const { identity, provider } = this.#deps
    return {
      ...this.self(),
      schema: 'heddle.node/v1',
      fingerprint: identity.fingerprint,
      accountId: identity.account,
      roles: [],
      addresses: [],
      directUrl: null,
      country: null,
      hardware: null,
      protocol: null,
      services: provider.runtimes().map(ownService),
      record: null,
      paths: [],
    }
  }

  ps(): Ps {
    const { provider } = this.#deps
    const runtimes = new Map(provider.runtimes().map((runtime) => [runtime.id, runtime.snapshot().facts]))
    const models = provider
      .all()
      .filter(({ state }) => state === 'ready')
      .map(({ offer, node, nodeName, runtime, state, inFlight, capacity }): PsEntry => {
        const processor = runtimes.get(runtime)?.['processor']
        return {
          model: offer.id,
          node,
          nodeName,
          runtime,
          state,
          processor: typeof processor === 'string' ? processor : null,
          contextTokens: offer.contextTokens ?? null,
          sizeBytes: offer.sizeBytes ?? null,
          inFlight,
          capacity,
          idleUntil: null,
        }
      })
    return { schema: 'heddle.ps/v1', models }
  }

  ready(): Readiness {
    const draining = this.#deps.isDraining()
    if (draining) return { ready: false, draining, reasons: ['the node is stopping'] }
    if (this.#deps.catalogue.models().length > 0) return { ready: true, draining, reasons: [] }
    const reasons = this.#deps.provider.runtimes().map((runtime) => {
      const { state, reason } = runtime.snapshot()
      return `${runtime.id}: ${reason === '' ? state : reason}`
    })
    return { ready: false, draining, reasons: reasons.length === 0 ? ['no runtime is configured or found'] : reasons }
  }

  health(): HealthFacts {
    const { config, identity, provider } = this.#deps
    const ready = provider.runtimes().filter((runtime) => runtime.snapshot().state === 'ready')
    return {
      mode: config.mode,
      defaultModel: provider.all().find(({ state }) => state === 'ready')?.offer.id,
      authRequired: config.authRequired,
      runtimes: ready.length,
      localRuntime: ready.some(({ kind }) => kind === 'llama' || kind === 'ollama'),
      nodeId: identity.id,
    }
  }

  #state(runtimes: readonly Runtime[]): Status['state'] {
    const { catalogue, isDraining } = this.#deps
    if (isDraining()) return 'draining'
    if (catalogue.models().length > 0)
      return runtimes.some((runtime) => runtime.snapshot().state === 'unhealthy') ? 'degraded' : 'running'
    return runtimes.some((runtime) => runtime.snapshot().state === 'starting') ? 'starting' : 'degraded'
  }
}

function readyModels(provider: LocalProvider): string[] {
  const ready = provider.all().filter(({ state }) => state === 'ready')
  return [...new Set(ready.map(({ offer }) => offer.id))].sort()
}

function ownService(runtime: Runtime): NodeServiceView {
  const { state, offers, capacity } = runtime.snapshot()
  const models = offers.map(offerView)
  return {
    name: 'llm',
    runtime: runtime.id,
    state,
    groups: [],
    models,
    inFlight: runtime.inFlight(),
    queued: 0,
    capacity,
  }
}
