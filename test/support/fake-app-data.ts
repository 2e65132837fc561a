/** What the fake node of the HTTP tests has to show. */
import { asKeyId, asRequestId, asUnixMs } from '../../src/core/ids.ts'
import type { LogLine, RuntimeView, Status } from '../../src/core/wire/admin.ts'
import type { ModelView } from '../../src/core/wire/admin-models.ts'
import type { ServiceView } from '../../src/core/wire/admin-services.ts'
import type { ApiKey } from '../../src/ports/key-store.ts'
import type { RequestRecord } from '../../src/ports/request-log.ts'

export const RUNTIME: RuntimeView = {
  id: 'script',
  kind: 'script',
  location: 'in process',
  state: 'ready',
  reason: '',
  sinceMs: 12,
  tries: 0,
  models: ['tiny'],
  inFlight: 0,
  capacity: 4,
  facts: { processor: '100% CPU', pid: 42 },
}

export const SERVICE: ServiceView = {
  name: 'whisper',
  instance: 'whisper',
  url: 'http://127.0.0.1:9000',
  groups: ['model=large-v3'],
  state: 'ready',
  reason: '',
  sinceMs: 12,
  inFlight: 0,
  capacity: 4,
  paths: [],
  healthPath: null,
}

export const STATUS: Status = {
  schema: 'heddle.status/v1',
  state: 'running',
  health: [
    { code: 'demo_model', severity: 'info', message: 'only the demo model is here', fix: 'heddle models pull <url>' },
  ],
  node: { id: 'node-1', name: 'studio-pc', fingerprint: 'ab'.repeat(32) },
  http: { url: 'http://127.0.0.1:11440' },
  mesh: { addresses: [], mode: 'standalone', state: 'off', peers: { direct: 0, circuit: 0 } },
  network: { id: 'local', name: 'home' },
  nodes: [],
  version: '0.1.0',
  startedAt: '2026-01-01T00:00:00.000Z',
  runtimes: [RUNTIME],
  models: 10,
}

export const MODEL: ModelView = {
  id: 'tiny',
  ownedBy: 'heddle',
  createdAt: null,
  state: 'ready',
  endpoints: ['chat'],
  contextTokens: 2_048,
  architecture: 'llama',
  quantisation: 'Q8_0',
  parameters: 1_000_000,
  sizeBytes: 1_100_000,
  digest: null,
  vision: false,
  providers: [],
  file: 'tiny.gguf',
  lastSeenAt: null,
}

export const KEY: ApiKey = {
  id: asKeyId('key_abcdefabcdef'),
  name: 'laptop',
  hash: 'f'.repeat(64),
  hint: '789a',
  scopes: ['inference'],
  models: [],
  requestsPerMinute: 60,
  tokensPerMinute: undefined,
  promptTrust: 'network',
  createdAt: asUnixMs(Date.UTC(2026, 0, 1)),
  expiresAt: undefined,
  revokedAt: undefined,
}

export const RECORD: RequestRecord = {
  id: asRequestId('req_known'),
  at: asUnixMs(Date.UTC(2026, 0, 1)),
  endpoint: 'chat',
  model: 'tiny',
  keyId: KEY.id,
  stream: true,
  status: 200,
  outcome: 'ok',
  node: 'node-1',
  runtime: 'script',
  candidates: 1,
  exclusions: [],
  attempts: [{ node: 'node-1', runtime: 'script', connector: 'local', startedMs: 0, endedMs: 9, outcome: 'ok' }],
  inputTokens: 3,
  outputTokens: 5,
  firstByteMs: 4.5,
  durationMs: 9.25,
  finishReason: 'stop',
}

export const LINES: readonly LogLine[] = [
  { time: '2026-01-01T00:00:00.000Z', level: 'debug', msg: 'route planned', requestId: 'req_1' },
  { time: '2026-01-01T00:00:01.000Z', level: 'info', msg: 'request ended', requestId: 'req_1', component: 'gateway' },
  { time: '2026-01-01T00:00:02.000Z', level: 'warn', msg: 'runtime lost', component: 'runtimes' },
]
