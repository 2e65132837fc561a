/** Starts a whole node from its configuration. */
import type { IncomingMessage } from 'node:http'
import { HeddleError } from '../core/errors.ts'
import type { RequestId } from '../core/ids.ts'
import { Catalogue } from '../gateway/catalogue.ts'
import { buildApp } from '../http/app.ts'
import { createGuard } from '../http/guard.ts'
import type { OcfDeps } from '../http/ocf/deps.ts'
import { SlowBodies } from '../http/openai/slow-bodies.ts'
import { HeddleServer } from '../http/server.ts'
import { pickDefault } from '../models/pick-default.ts'
import type { Clock } from '../ports/clock.ts'
import { appDepsOf } from './app-deps.ts'
import type { Config } from './config.ts'
import { Fabric } from './fabric.ts'
import { listen } from './listen.ts'
import { meshCounts } from './mesh-status.ts'
import { writeNodeFile } from './node-file.ts'
import { NodeStatus } from './node-status.ts'
import type { Mesh } from './open-mesh.ts'
import { openOcf } from './open-ocf.ts'
import { openParts, type Parts, type StartOptions } from './parts.ts'
import { VERSION } from './version.ts'

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

/** Disposing the result stops the node at once; `drain` first lets running requests finish. */
export async function startNode(config: Config, options: StartOptions): Promise<RunningNode> {
  await using starting = new AsyncDisposableStack()
  const parts = await openParts(starting, config, options)
  const { clock, log, identity, provider, seen } = parts
  const fabric = new Fabric(parts)
  parts.metrics.watchMesh(() => (fabric.mesh === undefined ? undefined : meshCounts(fabric.mesh)))
  const catalogue = new Catalogue({ directory: fabric.directory, seenModels: () => seen.ids() })
  const stopping = Promise.withResolvers<{ readonly now: boolean }>()
  const life = { url: '', draining: false }
  const demoOnly = (): boolean => isDemoOnly(parts)
  const status = new NodeStatus({
    clock,
    config,
    identity,
    provider,
    catalogue,
    mesh: () => fabric.mesh,
    library: parts.models.library,
    version: VERSION,
    startedAtMs: clock.now(),
    url: () => life.url,
    isDraining: () => life.draining,
    isDemoOnly: demoOnly,
  })
  const { server, app, ocf } = await openServer(starting, config, parts, {
    catalogue,
    status,
    fabric,
    stop: stopping.resolve,
  })
  life.url = await listen(server, config.http.listen)
  const startedAt = new Date(clock.now()).toISOString()
  const { url } = life
  starting.use(await writeNodeFile(config.paths.nodeFile, { pid: process.pid, url, startedAt, version: VERSION }))
  await parts.services.admin.open({
    ownUrl: life.url,
    others: () =>
      fabric.services.allInstances().filter(({ connector, service }) => connector !== 'local' || service === 'llm'),
  })
  await parts.runtimes.open(config.runtimes)
  const { mode } = config
  // Its packages take a while to load, in which the engine of a local model starts.
  if (mode !== 'standalone') {
    const [{ openMesh }, { openPeerHttp }] = await Promise.all([
      import('./open-mesh.ts'),
      import('./open-peer-http.ts'),
    ])
    const mesh = await openMesh(starting, parts, { ...config, mode }, options)
    fabric.join(mesh)
    await openPeerHttp(starting, parts, mesh, ocf.view)
  }
  log.info({ url, node: identity.id }, 'node started')
  const running = starting.move()
  return {
    url,
    keyFile: config.paths.defaultKeyFile,
    models: () => catalogue.models().map(({ id }) => id),
    demoOnly,
    untilServing: (waiting) => untilServing(clock, status, waiting),
    stopRequested: stopping.promise,
    async drain() {
      life.draining = true
      log.info({}, 'draining')
      await within(clock, config.drainTimeoutMs, stopServing(server, app), fabric.mesh)
    },
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  }
}

interface Face {
  readonly catalogue: Catalogue
  readonly status: NodeStatus
  readonly fabric: Fabric
  readonly stop: (how: { readonly now: boolean }) => void
}

/** The HTTP surface, not listening yet. */
async function openServer(
  stack: AsyncDisposableStack,
  config: Config,
  parts: Parts,
  { catalogue, status, fabric, stop }: Face,
): Promise<{ readonly server: HeddleServer; readonly app: ReturnType<typeof buildApp>; readonly ocf: OcfDeps }> {
  const { clock, ids, log, admission, requestLog, metrics, models, runtimeStore } = parts
  const requestIds = new WeakMap<IncomingMessage, RequestId>()
  const { services, connectors } = fabric
  const mesh = (): Mesh | undefined => fabric.mesh
  const ocf = openOcf(stack, config, parts, { services, connectors, mesh, askPeer: () => fabric.mesh?.askPeer })
  const app = buildApp(
    appDepsOf({
      ...parts,
      config,
      catalogue,
      status,
      mesh,
      ocf,
      stop,
      requestIds,
      ring: parts.logging.ring,
      models: {
        directory: fabric.directory,
        library: models.library,
        puller: models.puller,
        store: runtimeStore,
        offerLibrary: () => models.offerLibrary(),
      },
    }),
  )
  stack.defer(() => app.close())
  await app.ready()
  const logContent = config.log.content
  const gateway = { admission, catalogue, connectors, requestLog, metrics, clock, log, logContent }
  const guard = createGuard({
    listenHost: config.http.listen.host,
    nodeName: config.name,
    hosts: config.http.hosts,
    origins: config.corsOrigins,
  })
  const slowBodies = stack.use(new SlowBodies({ clock }))
  const server = new HeddleServer({ gateway, ocf, slowBodies, ids, log, guard, app, requestIds, version: VERSION })
  return { server: stack.use(server), app, ocf }
}

/** Whether all that can be asked for now is the model that came with the package. */
function isDemoOnly({ models, provider }: Pick<Parts, 'models' | 'provider'>): boolean {
  const { demo } = pickDefault(models.library.list())
  const ready = provider.all().filter(({ state }) => state === 'ready')
  return demo !== undefined && ready.length > 0 && ready.every(({ offer }) => offer.id === demo.id)
}

async function untilServing(
  clock: Clock,
  status: NodeStatus,
  { timeoutMs, signal }: { readonly timeoutMs: number; readonly signal: AbortSignal },
): Promise<void> {
  const giveUpAt = clock.monotonic() + timeoutMs
  while (!status.ready().ready && clock.monotonic() < giveUpAt) await clock.sleep(SERVING_LOOK_MS, { signal })
}

/** While requests run, probes and `heddle status` are answered still. */
async function stopServing(server: HeddleServer, app: ReturnType<typeof buildApp>): Promise<void> {
  await server.drain()
  // Those who follow the log would never leave by themselves.
  void app.close()
  await server.close()
}

/** The network hears at once that this node leaves. Resolves when `task` does and the mesh has ended, or after `timeoutMs`. */
async function within(clock: Clock, timeoutMs: number, task: Promise<void>, mesh: Mesh | undefined): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  const late = new AbortController()
  using _timer = clock.after(timeoutMs, () => {
    late.abort(new HeddleError('draining', 'this node stops'))
    resolve()
  })
  await Promise.race([Promise.all([task, mesh?.leave(late)]), promise])
}
