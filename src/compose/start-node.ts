/** Starts a whole node from its configuration: the only place that knows every part. */
import { hash } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { ApiKeys } from '../accounts/api-keys.ts'
import { KeyAdmission } from '../accounts/key-admission.ts'
import { RateLimits } from '../accounts/rate-limits.ts'
import { MemoryRateLimiter } from '../adapters/limits/memory-rate-limiter.ts'
import { discoverRuntimes } from '../adapters/runtimes/discover.ts'
import { openState } from '../adapters/sql/open-state.ts'
import { SqlKeyStore } from '../adapters/sql/sql-key-store.ts'
import { SqlRequestLog } from '../adapters/sql/sql-request-log.ts'
import { SqlRuntimeStore } from '../adapters/sql/sql-runtime-store.ts'
import { startLogger } from '../adapters/system/pino-logger.ts'
import { PrometheusMetrics } from '../adapters/system/prometheus-metrics.ts'
import { SystemClock } from '../adapters/system/system-clock.ts'
import { SystemIds } from '../adapters/system/system-ids.ts'
import { asUnixMs, type RequestId } from '../core/ids.ts'
import { limit } from '../core/limits.ts'
import { Catalogue } from '../gateway/catalogue.ts'
import type { GatewayDeps } from '../gateway/request.ts'
import { buildApp } from '../http/app.ts'
import { createGuard } from '../http/guard.ts'
import { SlowBodies } from '../http/openai/slow-bodies.ts'
import { HeddleServer } from '../http/server.ts'
import { pickDefault } from '../models/pick-default.ts'
import type { Clock } from '../ports/clock.ts'
import type { Logger } from '../ports/logger.ts'
import type { RequestLog } from '../ports/request-log.ts'
import { LocalProvider } from '../provider/local-provider.ts'
import { appDepsOf } from './app-deps.ts'
import type { Config } from './config.ts'
import { listen } from './listen.ts'
import { RuntimeMaker } from './make-runtime.ts'
import { NodeStatus } from './node-status.ts'
import { openIdentity } from './open-identity.ts'
import { openKeys } from './open-keys.ts'
import { openModels } from './open-models.ts'
import { RuntimeSet } from './runtime-set.ts'
import { SeenModels } from './seen-models.ts'
import { VERSION } from './version.ts'
import { writeNodeFile } from './node-file.ts'

export interface RunningNode extends AsyncDisposable {
  /** Of the gateway, e.g. `http://127.0.0.1:11440`. */
  readonly url: string
  /** Holds the first inference key. */
  readonly keyFile: string
  /** What can be asked for now. */
  models(): readonly string[]
  /** Whether nothing but the tiny embedded model is offered. */
  demoOnly(): boolean
  /** Resolves when a model can be asked for, or after `timeoutMs`. */
  untilServing(options: { readonly timeoutMs: number; readonly signal: AbortSignal }): Promise<void>
  /** Resolves when somebody asked the node, over its API, to stop. The caller then disposes it. */
  readonly stopRequested: Promise<{ readonly now: boolean }>
  /** Takes no new requests and waits for running ones, at most the configured time. */
  drain(): Promise<void>
}

const SERVING_LOOK_MS = 20
const PRUNE_INTERVAL_MS = 3_600_000
/** What a request may do without a key where keys are not required. */
const OPEN_SCOPES = ['inference', 'read'] as const

/** Aborting `signal` while it starts gives up; disposing the result stops the node at once. `ollamaHost` is where Ollama was told to listen. */
export async function startNode(
  config: Config,
  { signal, ollamaHost }: { readonly signal: AbortSignal; readonly ollamaHost?: string | undefined },
): Promise<RunningNode> {
  await using starting = new AsyncDisposableStack()
  const clock = new SystemClock()
  const ids = new SystemIds({ clock })
  const logging = starting.use(startLogger({ level: config.log.level, format: config.log.format }))
  const log = logging.logger
  for (const warning of config.warnings) log.warn({}, warning)

  const identity = await openIdentity(config.paths.keysDir)
  const state = starting.use(await openState({ path: config.paths.stateDb, log, clock }))
  const keys = new ApiKeys({ store: new SqlKeyStore(state), ids, clock, hash: (text) => hash('sha256', text) })
  await openKeys({ keys, clock }, config.paths)
  const runtimeStore = new SqlRuntimeStore(state)
  const seen = new SeenModels({ store: runtimeStore, clock, log })
  await seen.load()

  const metrics = new PrometheusMetrics({
    isKnownModel: (model) => seen.ids().has(model),
    build: { version: VERSION, commit: '' },
  })
  const requestLog = starting.use(new SqlRequestLog({ worker: state.worker, clock, log, metrics }))
  starting.use(pruneRegularly({ clock, log, requestLog }, config))
  const models = starting.use(await openModels({ clock, log, config }, { signal }))
  const provider = starting.use(
    new LocalProvider({ log, metrics, onOffers: (candidates) => seen.note(candidates) }, { id: identity.id, name: config.name }),
  )
  const maker = new RuntimeMaker({ clock, makeLlama: (id) => models.makeLlama(id) })
  const runtimes = starting.use(
    new RuntimeSet({
      clock,
      log,
      provider,
      maker,
      store: runtimeStore,
      discover: async (options) => (await discoverRuntimes({ clock }, { ...options, ollamaHost })).map(({ spec }) => spec),
      onSearched: (foundModels) => models.setDemoWanted(!foundModels),
    }),
  )

  const admission = new KeyAdmission(
    { keys, limits: new RateLimits({ limiter: new MemoryRateLimiter() }), clock, log },
    { anonymousScopes: config.authRequired ? [] : OPEN_SCOPES },
  )
  const catalogue = new Catalogue({ directory: provider, seenModels: () => seen.ids() })
  const gateway: GatewayDeps = {
    admission,
    catalogue,
    connectors: new Map([[provider.kind, provider]]),
    requestLog,
    metrics,
    clock,
    log,
  }
  const stopping = Promise.withResolvers<{ readonly now: boolean }>()
  let url = ''
  let draining = false
  const demoOnly = (): boolean => {
    const { demo } = pickDefault(models.library.list())
    const ready = provider.all().filter((candidate) => candidate.state === 'ready')
    return demo !== undefined && ready.length > 0 && ready.every(({ offer }) => offer.id === demo.id)
  }
  const status = new NodeStatus({
    clock,
    config,
    identity,
    provider,
    library: models.library,
    version: VERSION,
    startedAtMs: clock.now(),
    url: () => url,
    isDraining: () => draining,
    isDemoOnly: demoOnly,
  })
  const requestIds = new WeakMap<IncomingMessage, RequestId>()
  const app = buildApp(
    appDepsOf({
      clock,
      log,
      config,
      keys,
      admission,
      catalogue,
      metrics,
      requestLog,
      requestIds,
      ring: logging.ring,
      runtimes,
      status,
      models: { directory: provider, library: models.library, puller: models.puller, store: runtimeStore, offerLibrary: () => models.offerLibrary() },
      stop: (how) => stopping.resolve(how),
    }),
  )
  starting.defer(() => app.close())
  await app.ready()
  const slowBodies = starting.use(new SlowBodies({ clock }))
  const guard = createGuard({ listenHost: config.http.listen.host, nodeName: config.name, hosts: config.http.hosts, origins: config.corsOrigins })
  const server = starting.use(new HeddleServer({ gateway, slowBodies, ids, log, guard, app, requestIds, version: VERSION }))
  url = await listen(server, config.http.listen)
  starting.use(await writeNodeFile(config.paths.nodeFile, { pid: process.pid, url, startedAt: new Date(clock.now()).toISOString(), version: VERSION }))
  await runtimes.open(config.runtimes)
  log.info({ url, node: identity.id }, 'node started')

  const running = starting.move()
  return {
    url,
    keyFile: config.paths.defaultKeyFile,
    models: () => catalogue.models().map(({ id }) => id),
    demoOnly,
    untilServing: (options) => untilServing(clock, status, options),
    stopRequested: stopping.promise,
    async drain() {
      draining = true
      log.info({}, 'draining')
      const closed = server.close()
      await Promise.race([closed, clock.sleep(config.drainTimeoutMs, { signal: AbortSignal.timeout(config.drainTimeoutMs + 1_000) })])
    },
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  }
}

async function untilServing(
  clock: Clock,
  status: NodeStatus,
  { timeoutMs, signal }: { readonly timeoutMs: number; readonly signal: AbortSignal },
): Promise<void> {
  const giveUpAt = clock.monotonic() + timeoutMs
  while (!status.ready().ready && clock.monotonic() < giveUpAt) await clock.sleep(SERVING_LOOK_MS, { signal })
}

/** Keeps the request log within its bounds, now and every hour. */
function pruneRegularly(
  { clock, log, requestLog }: { readonly clock: Clock; readonly log: Logger; readonly requestLog: RequestLog },
  { retention }: Config,
): Disposable {
  const prune = (): void => {
    requestLog
      .prune(asUnixMs(clock.now() - retention.requestsAgeMs), retention.requestsRows)
      .catch((err: unknown) => log.warn({ err }, 'the request log could not be pruned'))
    timer = clock.after(PRUNE_INTERVAL_MS, prune)
  }
  let timer = clock.after(limit('requestLogFlushMs'), prune)
  return { [Symbol.dispose]: () => timer.cancel() }
}
