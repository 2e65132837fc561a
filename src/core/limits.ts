/** Every bound of the system, with its unit and its reason. `docs/LIMITS.md` is made from this file. */

export interface Limit {
  readonly value: number
  readonly unit: 'bytes' | 'ms' | 'items' | 'per minute' | 'levels'
  readonly reason: string
}

// biome-ignore format: a table, one row a line
export const LIMITS = {
  // HTTP in
  headerBytes: { value: 16 * 1024, unit: 'bytes', reason: 'real clients send under 4 KiB; more is an attack or a loop of cookies' },
  headerFields: { value: 100, unit: 'items', reason: 'real clients send under 30' },
  urlBytes: { value: 8 * 1024, unit: 'bytes', reason: 'model ids and queries stay far below' },
  jsonBodyBytes: { value: 8 * 1024 * 1024, unit: 'bytes', reason: 'about two million tokens of text' },
  imageBodyBytes: { value: 20 * 1024 * 1024, unit: 'bytes', reason: 'a request that carries data URLs of images or sound' },
  adminBodyBytes: { value: 64 * 1024, unit: 'bytes', reason: 'the admin API takes names, addresses and limits only' },
  retryAfterMs: { value: 1_000, unit: 'ms', reason: 'what a client that may try again is told to wait where nothing better is known' },
  jsonDepth: { value: 64, unit: 'levels', reason: 'JSON schemas nest to about 20; deeper input only burns stack' },
  headersTimeoutMs: { value: 10_000, unit: 'ms', reason: 'slow-header attacks hold a socket no longer than this' },
  bodyTimeoutMs: { value: 30_000, unit: 'ms', reason: '8 MiB needs 2.2 Mbit/s' },
  bodyGraceMs: { value: 5_000, unit: 'ms', reason: 'slow start and radio wake-up before the minimum rate counts' },
  bodyMinBytesPerSecond: { value: 1024, unit: 'bytes', reason: 'slower than a modem is an attack' },
  bodyCheckIntervalMs: { value: 2_000, unit: 'ms', reason: 'how often timeouts and rates of incoming bodies are checked' },
  lingerMs: { value: 2_000, unit: 'ms', reason: 'how long the rest of a refused request is read, so that its sender sees the answer' },
  keepAliveMs: { value: 65_000, unit: 'ms', reason: 'longer than the 60 s of common balancers, so that they close first' },
  requestsPerSocket: { value: 1_000, unit: 'items', reason: 'lets balancers spread long-lived clients again' },
  socketsPerAddress: { value: 100, unit: 'items', reason: 'one address cannot take every descriptor; loopback is exempt' },
  // SSE out
  unsentBytes: { value: 256 * 1024, unit: 'bytes', reason: 'a reader this far behind pauses its upstream' },
  drainTimeoutMs: { value: 30_000, unit: 'ms', reason: 'a reader that takes nothing for this long is gone' },
  heartbeatMs: { value: 15_000, unit: 'ms', reason: 'below the 30 s idle limit of common proxies' },
  streamDurationMs: { value: 30 * 60_000, unit: 'ms', reason: 'no answer streams longer' },
  // Upstream
  connectTimeoutMs: { value: 5_000, unit: 'ms', reason: 'a machine that accepts later is not worth the wait' },
  firstByteTimeoutMs: { value: 120_000, unit: 'ms', reason: 'a cold model may load first' },
  tokenGapMs: { value: 60_000, unit: 'ms', reason: 'no healthy runtime is silent longer between tokens' },
  upstreamBodyBytes: { value: 64 * 1024 * 1024, unit: 'bytes', reason: 'a batch of 2,048 embeddings of 4,096 numbers in base64' },
  sseEventBytes: { value: 4 * 1024 * 1024, unit: 'bytes', reason: 'one event of a stream; more is garbage' },
  channelBytes: { value: 128 * 1024, unit: 'bytes', reason: 'bytes held between an upstream socket and its reader' },
  upstreamConnections: { value: 4_096, unit: 'items', reason: 'sockets to one runtime, one a running stream; further requests wait for one' },
  upstreamIdleMs: { value: 4_000, unit: 'ms', reason: 'below the 5 s after which common servers close an idle socket; a server may ask for less' },
  upstreamTickMs: { value: 500, unit: 'ms', reason: 'how often time limits towards runtimes are checked; never early, and late by two of these at most' },
  upstreamReadBytes: { value: 64 * 1024, unit: 'bytes', reason: 'taken from the socket of a runtime at once' },
  attempts: { value: 3, unit: 'items', reason: 'candidates tried for one request before the first byte' },
  candidates: { value: 10_000, unit: 'items', reason: 'what one plan may look at' },
  // Accounts
  keyCacheItems: { value: 10_000, unit: 'items', reason: 'API keys looked up lately' },
  keyCacheMs: { value: 60_000, unit: 'ms', reason: 'how long a change of a key made elsewhere may go unnoticed' },
  unknownKeyCacheItems: { value: 1_000, unit: 'items', reason: 'keys found not to exist; apart, so that guesses push no good key out' },
  unknownKeyCacheMs: { value: 5_000, unit: 'ms', reason: 'a client that repeats a wrong key asks the database this often' },
  credentialCharacters: { value: 512, unit: 'items', reason: 'our keys have 54; longer ones are not hashed' },
  rateLimiters: { value: 1_000, unit: 'items', reason: 'different limit values in use; keys share those that are equal' },
  rateSubjects: { value: 100_000, unit: 'items', reason: 'keys and addresses counted at once; about 30 MB' },
  wrongKeysPerMinute: { value: 20, unit: 'per minute', reason: 'guesses from one address before it must wait' },
  requestsPerMinutePerAddress: { value: 6_000, unit: 'per minute', reason: 'per address other than loopback, on top of the key’s own limit' },
  // State
  requestLogQueueItems: { value: 10_000, unit: 'items', reason: 'log rows waiting to be written; more are dropped and counted' },
  requestLogBatchItems: { value: 500, unit: 'items', reason: 'rows of one insert' },
  requestLogFlushMs: { value: 500, unit: 'ms', reason: 'the most that a crash can lose of the log' },
  requestLogRows: { value: 200_000, unit: 'items', reason: 'about 100 MB' },
  requestLogAgeMs: { value: 7 * 24 * 3_600_000, unit: 'ms', reason: 'a week of history' },
  requestLogPruneItems: { value: 2_000, unit: 'items', reason: 'rows deleted in one transaction, so that batches get in between' },
  stateBusyMs: { value: 2_000, unit: 'ms', reason: 'how long one connection waits for the other to commit' },
  stateJournalBytes: { value: 16 * 1024 * 1024, unit: 'bytes', reason: 'what the write-ahead log keeps of the disk after it was copied back' },
  preparedStatements: { value: 100, unit: 'items', reason: 'statements kept prepared; the stores have about 20' },
  logRingItems: { value: 2_000, unit: 'items', reason: 'log records kept for `heddle logs`' },
  logUnwrittenBytes: { value: 4 * 1024 * 1024, unit: 'bytes', reason: 'log lines that a slow standard error may hold; more are lost' },
  metricModels: { value: 1_000, unit: 'items', reason: 'values of the label model; further models are counted as other' },
  logStreamItems: { value: 1_000, unit: 'items', reason: 'log records that wait for one slow reader; it is told how many it missed' },
  // Runtimes
  healthIntervalMs: { value: 10_000, unit: 'ms', reason: 'how often a registered runtime is checked again' },
  healthTimeoutMs: { value: 3_000, unit: 'ms', reason: 'a health answer later than this is none' },
  healthFailures: { value: 3, unit: 'items', reason: 'checks in a row that fail before a runtime is withdrawn' },
  discoverIntervalMs: { value: 30_000, unit: 'ms', reason: 'how soon a local runtime that was started later is found' },
  registrationRetries: { value: 6_000, unit: 'items', reason: 'one a second: a runtime may load its model for over an hour' },
  registrationIntervalMs: { value: 1_000, unit: 'ms', reason: 'pause between two tries to register a runtime' },
  healthBodyBytes: { value: 8 * 1024 * 1024, unit: 'bytes', reason: 'model lists of hosted APIs reach 1 MB; one with thousands of entries stays below' },
  modelShowsAtOnce: { value: 4, unit: 'items', reason: 'models that Ollama is asked about at the same time' },
  probeTimeoutMs: { value: 400, unit: 'ms', reason: 'a local port that answers later delays every start' },
  modelsPerRuntime: { value: 1_000, unit: 'items', reason: 'offers taken from one model list' },
  modelIdBytes: { value: 256, unit: 'bytes', reason: 'the longest ids in use are about 120' },
  childRestartMinMs: { value: 250, unit: 'ms', reason: 'first pause before a crashed engine process is started again' },
  childRestartMaxMs: { value: 30_000, unit: 'ms', reason: 'longest such pause' },
  // The llama engine
  engineQueueItems: { value: 256, unit: 'items', reason: 'requests of one model that wait for a sequence; the gateway queues the rest' },
  engineUnsentBytes: { value: 4 * 1024 * 1024, unit: 'bytes', reason: 'an answer of 16,000 tokens: below this a slow reader holds up no sequence' },
  engineSteadyMs: { value: 60_000, unit: 'ms', reason: 'an engine process that ran this long starts again at the shortest pause' },
  engineStopMs: { value: 2_000, unit: 'ms', reason: 'an engine process that has not ended by then is killed' },
  templateRenderMs: { value: 1_000, unit: 'ms', reason: 'a chat template renders in one, but a starved machine may take a hundred; a longer run is a trap in the file' },
  templateTimeouts: { value: 3, unit: 'items', reason: 'runs in a row that a chat template may overstay before it is not run again' },
  templateCharacters: { value: 1024 * 1024, unit: 'items', reason: 'chat templates reach 30,000 characters' },
  promptCharacters: { value: 16 * 1024 * 1024, unit: 'items', reason: 'twice the largest body; templates add little' },
  grammarCharacters: { value: 256 * 1024, unit: 'items', reason: 'a JSON schema of some hundred properties makes about 50,000' },
  schemaItems: { value: 5_000, unit: 'items', reason: 'rules that one JSON schema may make' },
  schemaRepeats: { value: 1_000, unit: 'items', reason: 'the engine unrolls every repetition of a grammar' },
  // GGUF
  ggufHeaderBytes: { value: 64 * 1024 * 1024, unit: 'bytes', reason: 'the largest vocabularies need about 15 MB' },
  ggufStringBytes: { value: 8 * 1024 * 1024, unit: 'bytes', reason: 'chat templates reach 30 KB' },
  ggufItems: { value: 4_000_000, unit: 'items', reason: 'elements of one array; vocabularies reach 260,000' },
  ggufMetadataEntries: { value: 10_000, unit: 'items', reason: 'key-value pairs of one header; models in use have under 200' },
  ggufArrayDepth: { value: 4, unit: 'levels', reason: 'arrays in arrays; models in use have none' },
  ggufTensors: { value: 100_000, unit: 'items', reason: 'the largest models have some thousands' },
  // Model pull
  pullReserveBytes: { value: 10 * 1024 * 1024 * 1024, unit: 'bytes', reason: 'free disk that a download leaves for everything else' },
  pullRedirects: { value: 5, unit: 'items', reason: 'model hosts use one or two' },
  pullStallMs: { value: 30_000, unit: 'ms', reason: 'a download that brings nothing for this long is broken off and resumed' },
  pullBackoffMs: { value: 500, unit: 'ms', reason: 'pause before the first resumed try; doubled for each further one' },
  pullProgressMs: { value: 100, unit: 'ms', reason: 'a progress line changes no faster than people can read' },
  modelFiles: { value: 2_000, unit: 'items', reason: 'files looked at in one models folder' },
  modelFolderDepth: { value: 4, unit: 'levels', reason: 'folders in folders that are searched for models' },
  modelScanMs: { value: 5_000, unit: 'ms', reason: 'how often the models folders are looked through for changes' },
  pullRetries: { value: 5, unit: 'items', reason: 'resumed tries of one download' },
  // Process
  drainMs: { value: 30_000, unit: 'ms', reason: 'running streams may finish after SIGTERM' },
} as const satisfies Record<string, Limit>

export type LimitName = keyof typeof LIMITS

/** The bound's number, in the unit that its row names. */
export function limit(name: LimitName): number {
  return LIMITS[name].value
}
