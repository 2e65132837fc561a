/** The one table of settings: key, kind, variable, flag, default and meaning of each; docs, flags and `config list` are made from it. */
import { limit } from '../core/limits.ts'
import type { SettingKind } from './config-values.ts'

/** What a setting is besides its check. */
export interface SettingInfo {
  readonly kind: SettingKind
  readonly env: `HEDDLE_${string}`
  readonly flag: `--${string}`
  /** As it would stand in a TOML file; an empty text or list means "none". */
  readonly initial: string | number | boolean | readonly string[]
  readonly description: string
  /** Never shown by any command. */
  readonly secret?: true
  /** Part of the contract of names, but nothing acts on it yet: only its default is accepted. */
  readonly inert?: string
}

/** Web pages and desktop apps of this machine; `null`, the origin of files and sandboxed frames, is not among them. */
const LOCAL_ORIGINS = [
  'http://localhost:*',
  'https://localhost:*',
  'http://127.0.0.1:*',
  'https://127.0.0.1:*',
  'http://[::1]:*',
  'https://[::1]:*',
  'app://*',
  'tauri://*',
  'vscode-webview://*',
] as const

const info = {
  name: {
    kind: 'text',
    env: 'HEDDLE_NAME',
    flag: '--name',
    initial: '',
    description: 'name of this node, shown to people; empty: the host name',
  },
  region: {
    kind: 'text',
    env: 'HEDDLE_REGION',
    flag: '--region',
    initial: '',
    description: 'where this node is, e.g. europe',
  },
  tags: { kind: 'list', env: 'HEDDLE_TAGS', flag: '--tags', initial: [], description: 'free labels of this node' },
  mode: {
    kind: 'text',
    env: 'HEDDLE_MODE',
    flag: '--mode',
    initial: 'local',
    description:
      'standalone: no mesh; local: nodes on this machine; node: the network that the LAN and bootstrap lead to',
  },
  bootstrap: {
    kind: 'list',
    env: 'HEDDLE_BOOTSTRAP',
    flag: '--bootstrap',
    initial: [],
    description:
      'first peers: multiaddrs, or one HTTP endpoint that lists them; in mode local: this machine’s other node',
  },
  runtimes: {
    kind: 'list',
    env: 'HEDDLE_RUNTIMES',
    flag: '--runtimes',
    initial: ['auto'],
    description:
      'auto, none, llama, ollama[:url], openai:<url>, script:<model>; auto looks for local ones and then takes the embedded model',
  },
  drain_timeout: {
    kind: 'duration',
    env: 'HEDDLE_DRAIN_TIMEOUT',
    flag: '--drain-timeout',
    initial: `${limit('drainMs') / 1_000}s`,
    description: 'how long running requests may take to finish once the node is told to stop',
  },
  workers: {
    kind: 'integer',
    env: 'HEDDLE_WORKERS',
    flag: '--workers',
    initial: 1,
    description: 'HTTP worker processes',
    inert: 'more than one worker process',
  },
  'http.listen': {
    kind: 'listen',
    env: 'HEDDLE_HTTP_LISTEN',
    flag: '--listen',
    initial: '127.0.0.1:11440',
    description: 'address of the OpenAI API and the admin API',
  },
  'http.hosts': {
    kind: 'list',
    env: 'HEDDLE_HTTP_HOSTS',
    flag: '--hosts',
    initial: [],
    description: 'host names that requests may carry besides this machine’s own',
  },
  'http.metrics_public': {
    kind: 'boolean',
    env: 'HEDDLE_HTTP_METRICS_PUBLIC',
    flag: '--metrics-public',
    initial: false,
    description: 'whether /metrics needs no key',
  },
  'mesh.listen': {
    kind: 'listen',
    env: 'HEDDLE_MESH_LISTEN',
    flag: '--mesh-listen',
    initial: '',
    description:
      'address of the mesh: TCP, UDP for QUIC, and WebSocket on the next port; empty: 127.0.0.1:11441 in mode local, 0.0.0.0:11441 in mode node',
  },
  'mesh.public_addr': {
    kind: 'list',
    env: 'HEDDLE_MESH_PUBLIC_ADDR',
    flag: '--public-addr',
    initial: [],
    description: 'multiaddrs under which everybody reaches this node; it then is a bootstrap',
  },
  'mesh.relay': {
    kind: 'text',
    env: 'HEDDLE_MESH_RELAY',
    flag: '--mesh-relay',
    initial: 'auto',
    description:
      'whether members that nobody can dial are reached through this node: on, off, or auto: with public_addr',
  },
  'mesh.lan': {
    kind: 'boolean',
    env: 'HEDDLE_MESH_LAN',
    flag: '--mesh-lan',
    initial: true,
    description: 'whether nodes of the same LAN find each other by mDNS; never in mode local',
  },
  'mesh.quic': {
    kind: 'boolean',
    env: 'HEDDLE_MESH_QUIC',
    flag: '--mesh-quic',
    initial: true,
    description: 'whether the mesh speaks QUIC too, where its native part is installed',
  },
  'mesh.max_connections': {
    kind: 'integer',
    env: 'HEDDLE_MESH_MAX_CONNECTIONS',
    flag: '--mesh-max-connections',
    initial: 0,
    description: 'connections of the mesh at once; 0: 128, or as many as fit into half of the memory',
  },
  'services.match': {
    kind: 'text',
    env: 'HEDDLE_SERVICES_MATCH',
    flag: '--services-match',
    initial: 'exact',
    description: 'which nodes a request for a service may go to: exact groups, then wildcard (key=*), then any',
  },
  'identity.passphrase_file': {
    kind: 'text',
    env: 'HEDDLE_IDENTITY_PASSPHRASE_FILE',
    flag: '--identity-passphrase-file',
    initial: '',
    description:
      'file with the passphrase that seals the keys of account and device; HEDDLE_PASSPHRASE is the same, and stronger',
  },
  'auth.required': {
    kind: 'boolean',
    env: 'HEDDLE_AUTH_REQUIRED',
    flag: '--auth-required',
    initial: true,
    description: 'whether /v1 needs an API key',
  },
  'cors.origins': {
    kind: 'list',
    env: 'HEDDLE_CORS_ORIGINS',
    flag: '--cors-origins',
    initial: LOCAL_ORIGINS,
    description: 'origins of browser apps that may call; * stands for any text',
  },
  'models.dir': {
    kind: 'text',
    env: 'HEDDLE_MODELS_DIR',
    flag: '--models-dir',
    initial: '',
    description: 'folder of GGUF files; empty: models/ in the data folder',
  },
  'models.context': {
    kind: 'integer',
    env: 'HEDDLE_MODELS_CONTEXT',
    flag: '--models-context',
    initial: 8_192,
    description: 'tokens of context of each sequence of a local model, at most what it was trained for',
  },
  'models.parallel': {
    kind: 'integer',
    env: 'HEDDLE_MODELS_PARALLEL',
    flag: '--models-parallel',
    initial: 4,
    description: 'requests that one local model works on at once',
  },
  'models.gpu': {
    kind: 'text',
    env: 'HEDDLE_MODELS_GPU',
    flag: '--models-gpu',
    initial: 'cpu',
    description: 'cpu, auto, cuda, vulkan or metal',
  },
  'models.max_loaded': {
    kind: 'integer',
    env: 'HEDDLE_MODELS_MAX_LOADED',
    flag: '--models-max-loaded',
    initial: 2,
    description: 'local models held in memory at once',
  },
  'models.disk_reserve': {
    kind: 'size',
    env: 'HEDDLE_MODELS_DISK_RESERVE',
    flag: '--models-disk-reserve',
    initial: `${limit('pullReserveBytes') / 2 ** 30}GiB`,
    description: 'free disk that a download of a model leaves',
  },
  'log.level': {
    kind: 'text',
    env: 'HEDDLE_LOG_LEVEL',
    flag: '--log-level',
    initial: 'info',
    description: 'debug, info, warn or error',
  },
  'log.format': {
    kind: 'text',
    env: 'HEDDLE_LOG_FORMAT',
    flag: '--log-format',
    initial: 'auto',
    description: 'auto, json or pretty; auto is pretty on a terminal',
  },
  'log.content': {
    kind: 'boolean',
    env: 'HEDDLE_LOG_CONTENT',
    flag: '--log-content',
    initial: false,
    description: 'whether prompts and completions are logged; for debugging only',
  },
  'retention.requests_age': {
    kind: 'duration',
    env: 'HEDDLE_RETENTION_REQUESTS_AGE',
    flag: '--retention-requests-age',
    initial: `${limit('requestLogAgeMs') / 86_400_000}d`,
    description: 'how long rows of the request log are kept',
  },
  'retention.requests_rows': {
    kind: 'integer',
    env: 'HEDDLE_RETENTION_REQUESTS_ROWS',
    flag: '--retention-requests-rows',
    initial: limit('requestLogRows'),
    description: 'rows of the request log that are kept',
  },
  'database.url': {
    kind: 'text',
    env: 'HEDDLE_DATABASE_URL',
    flag: '--database-url',
    initial: '',
    description: 'PostgreSQL instead of SQLite files',
    secret: true,
    inert: 'PostgreSQL',
  },
  'redis.url': {
    kind: 'text',
    env: 'HEDDLE_REDIS_URL',
    flag: '--redis-url',
    initial: '',
    description: 'Redis for hints between gateways',
    secret: true,
    inert: 'Redis',
  },
} as const satisfies Record<string, SettingInfo>

export type SettingKey = keyof typeof info

export const SETTINGS: Readonly<Record<SettingKey, SettingInfo>> = info
export const SETTING_KEYS = Object.keys(info) as readonly SettingKey[]

export const isSettingKey = (text: string): text is SettingKey => Object.hasOwn(info, text)
