/** What the admin API says of the node as a whole: status, running models, configuration, logs and version. */
import { z } from 'zod'

/** RFC 3339, UTC. Every time on the admin API is one of these; every duration is in milliseconds and ends in `Ms`. */
export const Timestamp = z.iso.datetime()

export const RuntimeStateView = z.enum(['starting', 'ready', 'unhealthy', 'stopped'])
export const ConnectorView = z.enum(['local', 'direct', 'mesh', 'relay'])
export const FactsView = z.record(z.string(), z.union([z.string(), z.number(), z.boolean()]))

/** Something that a person should know; `fix` is a literal command or edit. */
export const HealthItem = z.object({
  code: z.string(),
  severity: z.enum(['info', 'warning', 'error']),
  message: z.string(),
  fix: z.string().nullable(),
})
export type HealthItem = z.infer<typeof HealthItem>

export const NodeView = z
  .object({
    id: z.string(),
    name: z.string(),
    state: z.enum(['starting', 'online', 'degraded', 'draining', 'offline']),
    /** Why it is not online; empty where it is. */
    reason: z.string(),
    connector: ConnectorView,
    /** Whether it belongs to the account of the node that answers. */
    account: z.enum(['self', 'other']),
    /** How bytes travel to it now; null where it is this node or not connected. */
    path: z.enum(['direct', 'circuit']).nullable(),
    /** To it and back, as last measured. */
    rttMs: z.number().nonnegative().nullable(),
    version: z.string(),
    region: z.string().nullable(),
    tiers: z.array(z.string()),
    models: z.array(z.string()),
    inFlight: z.int().nonnegative(),
    capacity: z.int().nonnegative(),
    lastSeen: Timestamp,
  })
  .meta({ id: 'Node' })
export type NodeView = z.infer<typeof NodeView>

export const RuntimeView = z
  .object({
    id: z.string(),
    kind: z.string(),
    /** A URL or a folder; never a secret. */
    location: z.string(),
    state: RuntimeStateView,
    /** Why it is not ready; empty when it is. */
    reason: z.string(),
    /** How long it has been in this state. */
    sinceMs: z.number().nonnegative(),
    /** Tries made to reach it since it was last ready. */
    tries: z.int().nonnegative(),
    models: z.array(z.string()),
    inFlight: z.int().nonnegative(),
    capacity: z.int().nonnegative(),
    facts: FactsView,
  })
  .meta({ id: 'Runtime' })
export type RuntimeView = z.infer<typeof RuntimeView>

export const NodeState = z.enum([
  'stopped',
  'starting',
  'needs_identity',
  'needs_network',
  'needs_approval',
  'running',
  'draining',
  'degraded',
  'error',
])
export type NodeState = z.infer<typeof NodeState>

/** `heddle status --json`; scripts rely on these names. */
export const Status = z
  .object({
    schema: z.literal('heddle.status/v1'),
    state: NodeState,
    health: z.array(HealthItem),
    node: z.object({ id: z.string(), name: z.string(), fingerprint: z.string() }),
    http: z.object({ url: z.string() }),
    mesh: z.object({
      /** Multiaddrs that others are told. */
      addresses: z.array(z.string()),
      mode: z.enum(['standalone', 'local', 'node']),
      /** `off` without a mesh; connected to nobody; comparing the registry with the first peers; or done with that. */
      state: z.enum(['off', 'alone', 'joining', 'joined']),
      /** Connected now. */
      peers: z.object({ direct: z.int().nonnegative(), circuit: z.int().nonnegative() }),
    }),
    network: z.object({ id: z.string(), name: z.string() }),
    nodes: z.array(NodeView),
    version: z.string(),
    startedAt: Timestamp,
    runtimes: z.array(RuntimeView),
    /** How many different models can be asked for now. */
    models: z.int().nonnegative(),
  })
  .meta({ id: 'Status' })
export type Status = z.infer<typeof Status>

/** One model that is loaded by one runtime. */
export const PsEntry = z.object({
  model: z.string(),
  node: z.string(),
  nodeName: z.string(),
  runtime: z.string(),
  state: RuntimeStateView,
  /** Where it computes, e.g. `100% CPU`; null where the runtime does not say. */
  processor: z.string().nullable(),
  contextTokens: z.int().nullable(),
  sizeBytes: z.int().nullable(),
  inFlight: z.int().nonnegative(),
  capacity: z.int().nonnegative(),
  /** When the runtime unloads it if nobody asks; null for never or unknown. */
  idleUntil: Timestamp.nullable(),
})
export type PsEntry = z.infer<typeof PsEntry>

export const Ps = z.object({ schema: z.literal('heddle.ps/v1'), models: z.array(PsEntry) }).meta({ id: 'Ps' })
export type Ps = z.infer<typeof Ps>

export const CONFIG_ORIGINS = ['flag', 'env', 'file', 'default'] as const

/** One effective setting and where its value came from. */
export const ConfigEntry = z.object({
  /** Dotted, as in the configuration file, e.g. `http.listen`. */
  key: z.string(),
  value: z.json(),
  origin: z.enum(CONFIG_ORIGINS),
  /** Which flag, variable or file, e.g. `--listen`, `HEDDLE_HTTP_LISTEN`; null for a default. */
  source: z.string().nullable(),
  /** The value is masked in every answer. */
  secret: z.boolean(),
})
export type ConfigEntry = z.infer<typeof ConfigEntry>

export const ConfigView = z
  .object({ schema: z.literal('heddle.config/v1'), entries: z.array(ConfigEntry) })
  .meta({ id: 'Config' })
export type ConfigView = z.infer<typeof ConfigView>

export const VersionView = z
  .object({
    schema: z.literal('heddle.version/v1'),
    version: z.string(),
    /** The Node.js that runs the daemon. */
    node: z.string(),
    /** Of the admin API. */
    api: z.literal('v1'),
    platform: z.string(),
    /** Further parts, e.g. `{ sqlite: '3.50.4', llama: '3.22.1' }`. */
    parts: z.record(z.string(), z.string()),
  })
  .meta({ id: 'Version' })
export type VersionView = z.infer<typeof VersionView>

export const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal'] as const
export const LogLevel = z.enum(LOG_LEVELS)
export type LogLevel = z.infer<typeof LogLevel>

/** One line of the log stream; further fields of the record travel as they are. */
export const LogLine = z.looseObject({ time: Timestamp, level: LogLevel, msg: z.string() }).meta({ id: 'LogLine' })
export type LogLine = z.infer<typeof LogLine>

/** `GET /api/v1/logs`: NDJSON. With `follow` the answer goes on until the client leaves. */
export const LogsQuery = z.object({
  follow: z.stringbool().default(false),
  /** Lines of the past to begin with. */
  tail: z.coerce.number().int().min(0).max(2_000).default(200),
  /** The least level of interest. */
  level: LogLevel.default('debug'),
  component: z.string().max(64).optional(),
  requestId: z.string().max(64).optional(),
})
export type LogsQuery = z.infer<typeof LogsQuery>

/** `POST /api/v1/shutdown`: running streams may finish unless `now` is set. */
export const ShutdownRequest = z.object({ now: z.boolean().default(false) })
export type ShutdownRequest = z.infer<typeof ShutdownRequest>
export const ShutdownReply = z.object({ state: z.literal('draining') }).meta({ id: 'Shutdown' })
export type ShutdownReply = z.infer<typeof ShutdownReply>
