/** A whole node as the HTTP surface sees it, in memory, for tests of that surface. */
import { MemoryClock } from '../../src/adapters/memory/memory-clock.ts'
import { HeddleError } from '../../src/core/errors.ts'
import { asKeyId, asNodeId, asRequestId, asRuntimeId } from '../../src/core/ids.ts'
import type { Candidate } from '../../src/core/routing/candidate.ts'
import type { LogLine } from '../../src/core/wire/admin.ts'
import type { PullProgress } from '../../src/core/wire/admin-models.ts'
import { Catalogue } from '../../src/gateway/catalogue.ts'
import { explainRoute } from '../../src/gateway/explain.ts'
import type { AppDeps } from '../../src/http/admin/deps.ts'
import type { OcfView } from '../../src/http/ocf/deps.ts'
import type { Admission } from '../../src/ports/admission.ts'
import type { Scope } from '../../src/ports/key-store.ts'
import type { Logger } from '../../src/ports/logger.ts'
import { KEY, LINES, MODEL, RECORD, RUNTIME, SERVICE, STATUS } from './fake-app-data.ts'
import { fakeIdentityAdmin } from './fake-identity-admin.ts'
import { fakeMeshAdmin } from './fake-mesh-admin.ts'

export const SECRET = 'sk-heddle-0123456789abcdef0123456789abcdef0123456789a'

export const ODD_MODEL_IDS = [
  'tiny',
  'org/name',
  'qwen3:8b',
  'org/name@q4_k_m',
  'a/b/c:d@e.f-g_h',
  'weird%name',
  'mit leer zeichen',
  'größe/ünï',
  'what?really#yes',
  'a+b=c&d;e',
] as const

/** Everything that the surface asked the node to do, in order. */
export interface FakeNode {
  readonly deps: AppDeps
  readonly clock: MemoryClock
  readonly calls: string[]
  readonly logged: { readonly level: string; readonly fields: Readonly<Record<string, unknown>> }[]
  readonly listeners: Set<(line: LogLine) => void>
  ready: boolean
  draining: boolean
  /** What the next pull does. */
  pull: (signal: AbortSignal) => AsyncIterable<PullProgress>
}

/** `Bearer inference`, `Bearer read`, `Bearer admin` and `Bearer limited` are keys; an admin may read too. */
export const fakeAdmission: Admission = {
  admit({ authorization, apiKey }, scope) {
    const name = apiKey ?? authorization?.replace(/^Bearer /, '')
    const scopes = name === undefined ? undefined : SCOPES[name]
    if (scopes === undefined) throw new HeddleError('invalid_api_key', 'this key is not known')
    if (!scopes.includes(scope)) throw new HeddleError('insufficient_scope', `this key may not ${scope}`)
    return {
      keyId: asKeyId(`key_${name}`),
      scopes,
      allowsModel: (model) => name !== 'limited' || model.startsWith('org/'),
      limitsModels: name === 'limited',
      promptTrust: 'network',
      headers: name === 'limited' ? ['x-ratelimit-limit-requests', '60'] : [],
      charge: () => undefined,
    }
  },
}

const SCOPES: Readonly<Record<string, readonly Scope[]>> = {
  inference: ['inference'],
  limited: ['inference'],
  read: ['read'],
  admin: ['read', 'admin'],
}

export function fakeNode(): FakeNode {
  const catalogue = catalogueOf(ODD_MODEL_IDS)
  const clock = new MemoryClock()
  const calls: string[] = []
  const logged: FakeNode['logged'] = []
  const listeners: FakeNode['listeners'] = new Set()
  let count = 0
  const node: FakeNode = {
    clock,
    calls,
    logged,
    listeners,
    ready: true,
    draining: false,
    pull: pullOnce,
    deps: {
      clock,
      log: recordingLogger(logged),
      admission: fakeAdmission,
      requestId: () => asRequestId(`req_${++count}`),
      status: () => STATUS,
      ps: () => ({ schema: 'heddle.ps/v1', models: [] }),
      version: () => ({
        schema: 'heddle.version/v1',
        version: '0.1.0',
        node: 'v24.12.0',
        api: 'v1',
        platform: 'linux-x64',
        parts: {},
      }),
      ready: () => ({ ready: node.ready, draining: node.draining, reasons: node.ready ? [] : ['no runtime is ready'] }),
      health: () => ({
        mode: 'local',
        defaultModel: 'tiny',
        authRequired: true,
        runtimes: node.ready ? 2 : 0,
        localRuntime: true,
        nodeId: 'node-1',
      }),
      config: () => [
        { key: 'http.listen', value: '127.0.0.1:11440', origin: 'default', source: null, secret: false },
        {
          key: 'database.url',
          value: `postgres://heddle:${SECRET}@db/heddle`,
          origin: 'env',
          source: 'HEDDLE_DATABASE_URL',
          secret: true,
        },
        {
          key: 'runtimes',
          value: [`openai:http://user:${SECRET}@gpu:8000`],
          origin: 'file',
          source: 'heddle.toml',
          secret: false,
        },
      ],
      shutdown: ({ now }) => void calls.push(`shutdown now=${now}`),
      catalogue,
      explain: (question) => explainRoute({ catalogue }, question),
      mesh: fakeMeshAdmin(calls),
      identity: fakeIdentityAdmin(calls),
      models: {
        list: async () => [MODEL],
        show: async (id) => (id === 'nobody' ? missing(id) : { ...MODEL, id }),
        pull: (request, { signal }) => {
          calls.push(`pull ${request.ref}`)
          return node.pull(signal)
        },
        remove: async (id) => void calls.push(`remove model ${id}`),
      },
      ocf: {
        view: fakeOcfView,
        admin: {
          register: async ({ service }) => void calls.push(`register ${service.map(({ name }) => name).join('+')}`),
          withdraw: async () => void calls.push('withdraw'),
        },
        record: ({ event }) => void calls.push(`event ${event}`),
      },
      runtimes: {
        list: () => [RUNTIME],
        add: async ({ spec }) => {
          calls.push(`add runtime ${spec}`)
          return RUNTIME
        },
        test: async () => {
          calls.push('test runtime')
          return { ok: true, steps: [{ name: 'health', ok: true, detail: '200', durationMs: 3 }], models: ['tiny'] }
        },
        remove: async (id) => void calls.push(`remove runtime ${id}`),
      },
      services: {
        list: () => ({ schema: 'heddle.services/v1', services: [SERVICE], others: [], omitted: 0 }),
        add: async ({ name }) => {
          calls.push(`add service ${name}`)
          return SERVICE
        },
        test: async () => ({ ok: true, detail: 'http://127.0.0.1:9000 answers', durationMs: 3 }),
        remove: async (name, instance) => {
          calls.push(`remove service ${name}/${instance}`)
          return { name, instance: instance ?? name, removed: true }
        },
      },
      keys: {
        list: async () => [KEY],
        create: async (request) => {
          calls.push(`create key ${request.name} ${request.scopes.join('+')} ${request.expiresInMs}`)
          return { key: KEY, secret: SECRET }
        },
        revoke: async (id) => {
          if (id !== KEY.id) return false
          calls.push(`revoke ${id}`)
          return true
        },
      },
      requests: {
        flush: async () => void calls.push('flush'),
        find: async (id) => (id === RECORD.id ? RECORD : undefined),
        latest: async ({ limit }) => [RECORD].slice(0, limit),
      },
      logs: {
        recent: ({ limit }) => LINES.slice(-limit),
        subscribe: (listener) => {
          listeners.add(listener)
          return () => void listeners.delete(listener)
        },
      },
      metrics: { text: async (openMetrics) => `# HELP heddle_build_info x\n${openMetrics ? '# EOF\n' : ''}` },
      metricsPublic: false,
    },
  }
  return node
}

const fakeOcfView: OcfView = {
  self: asNodeId('node-1'),
  isPublic: false,
  table: () => ({}),
  peers: () => [{ ID: 'node-2', Addrs: ['/ip4/192.0.2.2/tcp/11441'] }],
  peersStatus: () => [{ id: 'node-2', connectedness: 'Connected' }],
  bootstraps: () => ['/ip4/192.0.2.1/tcp/11441/p2p/node-1'],
  knows: (peer) => peer === 'node-1',
}

const missing = (id: string): never => {
  throw new HeddleError('model_not_found', `there is no model "${id}"`, { param: 'model' })
}

async function* pullOnce(): AsyncGenerator<PullProgress> {
  yield { status: 'pulling', total: 10, completed: 4 }
  yield { status: 'done', model: 'tiny' }
}

export function catalogueOf(ids: readonly string[]): Catalogue {
  const all = ids.map(
    (id): Candidate => ({
      node: asNodeId('node-1'),
      nodeName: 'studio-pc',
      connector: 'local',
      runtime: asRuntimeId('script'),
      offer: {
        id,
        endpoints: ['chat'],
        accepts: { mode: 'all-but', names: [] },
        createdSeconds: 1_700_000_000,
        ownedBy: 'heddle',
        contextTokens: 2_048,
      },
      state: 'ready',
      reason: '',
      inFlight: 0,
      capacity: 4,
      trust: 'self',
    }),
  )
  return new Catalogue({
    directory: {
      version: () => 1,
      all: () => all,
      candidatesFor: (model) => all.filter(({ offer }) => offer.id === model),
    },
    seenModels: () => new Set(['once-here']),
  })
}

function recordingLogger(into: FakeNode['logged']): Logger {
  const at =
    (level: string) =>
    (fields: Readonly<Record<string, unknown>>): void =>
      void into.push({ level, fields })
  const logger: Logger = {
    debug: at('debug'),
    info: at('info'),
    warn: at('warn'),
    error: at('error'),
    child: () => logger,
  }
  return logger
}
