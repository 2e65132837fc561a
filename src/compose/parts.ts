/** The parts of a node that exist before anybody can ask it anything: clock, log, keys, state, models, runtimes. */
import { hash } from 'node:crypto'
import { ApiKeys } from '../accounts/api-keys.ts'
import { KeyAdmission } from '../accounts/key-admission.ts'
import { RateLimits } from '../accounts/rate-limits.ts'
import { MemoryRateLimiter } from '../adapters/limits/memory-rate-limiter.ts'
import { discoverRuntimes } from '../adapters/runtimes/discover.ts'
import { openState } from '../adapters/sql/open-state.ts'
import { SqlKeyStore } from '../adapters/sql/sql-key-store.ts'
import { SqlRequestLog } from '../adapters/sql/sql-request-log.ts'
import { SqlRuntimeStore } from '../adapters/sql/sql-runtime-store.ts'
import { SqlServiceStore } from '../adapters/sql/sql-service-store.ts'
import { type StartedLogger, startLogger } from '../adapters/system/pino-logger.ts'
import { PrometheusMetrics } from '../adapters/system/prometheus-metrics.ts'
import { SystemClock } from '../adapters/system/system-clock.ts'
import { SystemIds } from '../adapters/system/system-ids.ts'
import type { Logger } from '../ports/logger.ts'
import type { RequestLog } from '../ports/request-log.ts'
import type { RuntimeStore } from '../ports/runtime-store.ts'
import { LocalProvider } from '../provider/local-provider.ts'
import type { Config } from './config.ts'
import { lockFolders } from './lock-folders.ts'
import { RuntimeMaker } from './make-runtime.ts'
import { type Identity, openIdentity } from './open-identity.ts'
import { openKeys } from './open-keys.ts'
import { type Models, openModels } from './open-models.ts'
import { openServices, type Services } from './open-services.ts'
import { identityOptionsOf } from './passphrase.ts'
import { pruneRegularly } from './prune.ts'
import { RuntimeSet } from './runtime-set.ts'
import { SeenModels } from './seen-models.ts'
import { VERSION } from './version.ts'

export interface StartOptions {
  /** Aborting it while the node starts gives up. */
  readonly signal: AbortSignal
}

export interface Parts {
  readonly clock: SystemClock
  readonly ids: SystemIds
  readonly log: Logger
  readonly logging: StartedLogger
  readonly identity: Identity
  readonly keys: ApiKeys
  readonly admission: KeyAdmission
  readonly runtimeStore: RuntimeStore
  readonly seen: SeenModels
  readonly metrics: PrometheusMetrics
  readonly requestLog: RequestLog
  readonly models: Models
  readonly provider: LocalProvider
  readonly runtimes: RuntimeSet
  readonly services: Services
}

/** What a request may do without a key where keys are not required. */
const OPEN_SCOPES = ['inference', 'read'] as const

/** Everything opened is given to `stack`, which the caller disposes. */
export async function openParts(stack: AsyncDisposableStack, config: Config, options: StartOptions): Promise<Parts> {
  const clock = new SystemClock()
  const ids = new SystemIds({ clock })
  const logging = stack.use(startLogger({ level: config.log.level, format: config.log.format }))
  const log = logging.logger
  for (const warning of config.warnings) log.warn({}, warning)
  stack.use(await lockFolders(config.paths))
  const identity = await openIdentity(config.paths.keysDir, await identityOptionsOf(config))
  const state = stack.use(await openState({ path: config.paths.stateDb, log, clock }))
  const keys = new ApiKeys({ store: new SqlKeyStore(state), ids, clock, hash: (text) => hash('sha256', text) })
  await openKeys({ keys, clock }, config.paths)
  const runtimeStore = new SqlRuntimeStore(state)
  const seen = new SeenModels({ store: runtimeStore, clock, log })
  await seen.load()
  const metrics = new PrometheusMetrics({
    isKnownModel: (model) => seen.ids().has(model),
    build: { version: VERSION, commit: '' },
  })
  const requestLog = stack.use(new SqlRequestLog({ worker: state.worker, clock, log, metrics }))
  stack.use(pruneRegularly({ clock, log, requestLog }, config.retention))
  const admission = new KeyAdmission(
    { keys, limits: new RateLimits({ limiter: new MemoryRateLimiter() }), clock, log },
    { anonymousScopes: config.authRequired ? [] : OPEN_SCOPES },
  )
  const base = { clock, ids, log, logging, identity, keys, admission, runtimeStore, seen, metrics, requestLog }
  const serving = await openRuntimes(stack, config, base, options)
  const { provider } = serving
  const store = new SqlServiceStore(state)
  return { ...base, ...serving, services: openServices(stack, { clock, log, provider, identity, store }, config) }
}

type Base = Pick<Parts, 'clock' | 'log' | 'identity' | 'runtimeStore' | 'seen' | 'metrics'>

/** None is started yet: that is `RuntimeSet.open`'s. */
async function openRuntimes(
  stack: AsyncDisposableStack,
  config: Config,
  { clock, log, identity, runtimeStore, seen, metrics }: Base,
  { signal }: StartOptions,
): Promise<Pick<Parts, 'models' | 'provider' | 'runtimes'>> {
  const models = stack.use(await openModels({ clock, log, config }, { signal }))
  const provider = stack.use(
    new LocalProvider(
      { log, metrics, onOffers: (candidates) => seen.note(candidates) },
      { id: identity.id, name: config.name, region: config.region },
    ),
  )
  const runtimes = stack.use(
    new RuntimeSet({
      clock,
      log,
      provider,
      store: runtimeStore,
      maker: new RuntimeMaker({ clock, makeLlama: (id) => models.makeLlama(id) }),
      discover: (search) => discoverRuntimes({ clock }, { ...search, ollamaHost: config.ollamaHost }),
      onSearched: (servesModels) => models.setDemoWanted(!servesModels),
    }),
  )
  return { models, provider, runtimes }
}
