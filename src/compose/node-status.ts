/** What a node says of itself: status with health in sentences, running models, readiness. */
import type { HealthItem, Ps, PsEntry, Status } from '../core/wire/admin.ts'
import type { HealthFacts, Readiness } from '../http/admin/deps.ts'
import { runtimeView } from '../http/admin/views.ts'
import type { ModelLibrary } from '../models/library.ts'
import type { Clock } from '../ports/clock.ts'
import type { Runtime } from '../ports/runtime.ts'
import type { LocalProvider } from '../provider/local-provider.ts'
import { type Config, isLoopback } from './config.ts'
import type { Identity } from './open-identity.ts'

export interface NodeStatusDeps {
  readonly clock: Clock
  readonly config: Config
  readonly identity: Identity
  readonly provider: LocalProvider
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
    const { clock, config, identity, provider, version, startedAtMs, url } = this.#deps
    const runtimes = provider.runtimes()
    const ready = provider.all().filter(({ state }) => state === 'ready')
    const models = [...new Set(ready.map(({ offer }) => offer.id))].sort()
    const state = this.#state(models.length, runtimes)
    return {
      schema: 'heddle.status/v1',
      state,
      health: this.#health(runtimes),
      node: { id: identity.id, name: config.name, fingerprint: identity.fingerprint },
      http: { url: url() },
      mesh: { addresses: [] },
      // Until this node belongs to a network, it is one by itself.
      network: { id: identity.fingerprint, name: config.name },
      nodes: [
        {
          id: identity.id,
          name: config.name,
          state: state === 'running' ? 'online' : state === 'starting' || state === 'draining' ? state : 'degraded',
          connector: 'local',
          region: config.region ?? null,
          tiers: [],
          models,
          inFlight: runtimes.reduce((sum, runtime) => sum + runtime.inFlight(), 0),
          capacity: runtimes.reduce((sum, runtime) => sum + runtime.snapshot().capacity, 0),
          lastSeen: new Date(clock.now()).toISOString(),
        },
      ],
      version,
      startedAt: new Date(startedAtMs).toISOString(),
      runtimes: runtimes.map((runtime) => runtimeView(runtime, clock.now())),
      models: models.length,
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
    if (this.#deps.provider.all().some(({ state }) => state === 'ready')) return { ready: true, draining, reasons: [] }
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

  #state(models: number, runtimes: readonly Runtime[]): Status['state'] {
    if (this.#deps.isDraining()) return 'draining'
    if (models > 0) return runtimes.some((runtime) => runtime.snapshot().state === 'unhealthy') ? 'degraded' : 'running'
    return runtimes.some((runtime) => runtime.snapshot().state === 'starting') ? 'starting' : 'degraded'
  }

  #health(runtimes: readonly Runtime[]): HealthItem[] {
    const { config, library, isDemoOnly } = this.#deps
    const health: HealthItem[] = []
    if (runtimes.length === 0) {
      health.push(
        item(
          'no_runtime',
          'error',
          'no runtime is configured or found, so no model can be served',
          'heddle runtimes add <url>',
        ),
      )
    }
    for (const runtime of runtimes) {
      const { state, reason, tries } = runtime.snapshot()
      if (state === 'ready') continue
      const tried = tries > 0 ? ` (tried ${tries} times)` : ''
      const severity = state === 'starting' ? 'info' : 'warning'
      health.push(
        item(
          `runtime_${state}`,
          severity,
          `${runtime.id} is ${state}: ${reason}${tried}`,
          `heddle runtimes test ${runtime.id}`,
        ),
      )
    }
    for (const file of library.refused()) {
      health.push(item('model_refused', 'warning', `${file.fileName} is not offered: ${file.reason}`, null))
    }
    if (isDemoOnly()) {
      health.push(
        item(
          'demo_model_only',
          'info',
          'only the tiny demo model that comes with heddle is here',
          'heddle models pull <url|file>',
        ),
      )
    }
    if (!isLoopback(config.http.listen.host)) {
      health.push(
        item(
          'listens_widely',
          'warning',
          `the API listens on ${config.http.listen.host}; anyone who can reach it may try keys`,
          `heddle config set http.listen 127.0.0.1:${config.http.listen.port}`,
        ),
      )
    }
    if (config.log.content)
      health.push(
        item('content_logged', 'warning', 'prompts and completions are logged', 'heddle config set log.content false'),
      )
    return health
  }
}

function item(code: string, severity: HealthItem['severity'], message: string, fix: string | null): HealthItem {
  return { code, severity, message, fix }
}
