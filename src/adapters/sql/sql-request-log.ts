/** The request log in a SQL database: rows wait in memory and are written in batches, off the request path. */
import type { Kysely, Selectable, SelectQueryBuilder } from 'kysely'
import { asKeyId, asRequestId, asUnixMs, type RequestId, type UnixMs } from '../../core/ids.ts'
import { limit } from '../../core/limits.ts'
import type { Clock, Timer } from '../../ports/clock.ts'
import type { Logger } from '../../ports/logger.ts'
import type { Metrics } from '../../ports/metrics.ts'
import type {
  AttemptRecord,
  ExclusionRecord,
  RequestLog,
  RequestQuery,
  RequestRecord,
} from '../../ports/request-log.ts'
import { REQUEST_LOG_COLUMNS, type RequestLogTable, type SqlValue, type StateSchema, valuesOf } from './schema.ts'
import { sqlFailureOf } from './sql-errors.ts'

/** A database on which statements do not hold up requests. */
export interface BackgroundDatabase {
  readonly db: Kysely<StateSchema>
  /** Runs `sql` once for each row, all or none; resolves to how many were stored. */
  insertRows(sql: string, rows: readonly (readonly SqlValue[])[]): Promise<number>
}

export interface SqlRequestLogDeps {
  readonly worker: BackgroundDatabase
  readonly clock: Clock
  readonly log: Logger
  readonly metrics: Pick<Metrics, 'requestLogDropped'>
}

const WARN_INTERVAL_MS = 60_000

export class SqlRequestLog implements RequestLog {
  readonly #database: BackgroundDatabase
  readonly #clock: Clock
  readonly #log: Logger
  readonly #metrics: Pick<Metrics, 'requestLogDropped'>
  readonly #insert: string
  readonly #batchItems = limit('requestLogBatchItems')
  readonly #queueItems = limit('requestLogQueueItems')
  #queue: RequestRecord[] = []
  /** Rows handed over and not answered for yet; they count towards the bound. */
  #sent = 0
  /** Rows stored or given up since the start. */
  #settled = 0
  #timer: Timer | undefined
  #writing: Promise<void> | undefined
  #dropped = 0
  #warnedAtMs = Number.NEGATIVE_INFINITY

  constructor({ worker, clock, log, metrics }: SqlRequestLogDeps) {
    this.#database = worker
    this.#clock = clock
    this.#log = log
    this.#metrics = metrics
    this.#insert = insertStatement(worker.db)
  }

  append(record: RequestRecord): void {
    if (this.#queue.length + this.#sent >= this.#queueItems) return this.#drop(1, undefined)
    this.#queue.push(record)
    if (this.#writing !== undefined) return
    if (this.#queue.length >= this.#batchItems) this.#write()
    else this.#timer ??= this.#clock.after(limit('requestLogFlushMs'), () => this.#write())
  }

  async flush(): Promise<void> {
    // Only what waits now: under load there is always more.
    const target = this.#settled + this.#sent + this.#queue.length
    while (this.#settled < target) {
      this.#write()
      await this.#writing
    }
  }

  async find(id: RequestId): Promise<RequestRecord | undefined> {
    await this.flush()
    const row = await this.#database.db.selectFrom('request_log').selectAll().where('id', '=', id).executeTakeFirst()
    return row && recordOf(row)
  }

  async latest({ limit: count, before, model, outcome }: RequestQuery): Promise<readonly RequestRecord[]> {
    await this.flush()
    let query = this.#database.db.selectFrom('request_log').selectAll()
    if (before !== undefined) query = query.where('at', '<', before)
    if (model !== undefined) query = query.where('model', '=', model)
    if (outcome !== undefined) query = query.where('outcome', '=', outcome)
    const rows = await query.orderBy('id', 'desc').limit(count).execute()
    return rows.map(recordOf)
  }

  async prune(olderThan: UnixMs, keep: number): Promise<number> {
    await this.flush()
    const { db } = this.#database
    const rows = db.selectFrom('request_log').select('id')
    const tooOld = await this.#deleteAll(rows.where('at', '<', olderThan))
    const newestFirst = rows.orderBy('id', 'desc').limit(1)
    const firstTooMany = await newestFirst.offset(Math.max(0, keep)).executeTakeFirst()
    if (firstTooMany === undefined) return tooOld
    return tooOld + (await this.#deleteAll(rows.where('id', '<=', firstTooMany.id)))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.flush()
    this.#timer?.cancel()
  }

  /** Deletes what `rows` selects, a part at a time so that batches get in between. */
  async #deleteAll(rows: SelectQueryBuilder<StateSchema, 'request_log', { id: string }>): Promise<number> {
    const some = rows.limit(limit('requestLogPruneItems'))
    let deleted = 0
    for (;;) {
      const remove = this.#database.db.deleteFrom('request_log').where('id', 'in', some)
      const { numDeletedRows } = await remove.executeTakeFirstOrThrow()
      deleted += Number(numDeletedRows)
      if (numDeletedRows === 0n) return deleted
    }
  }

  /** Hands the next batch over unless one is on its way. */
  #write(): void {
    this.#timer?.cancel()
    this.#timer = undefined
    if (this.#writing !== undefined || this.#queue.length === 0) return
    const batch = this.#queue.length <= this.#batchItems ? this.#queue : this.#queue.slice(0, this.#batchItems)
    this.#queue = batch === this.#queue ? [] : this.#queue.slice(batch.length)
    this.#sent = batch.length
    this.#writing = this.#store(batch).then(() => {
      this.#settled += batch.length
      this.#sent = 0
      this.#writing = undefined
      if (this.#queue.length >= this.#batchItems) this.#write()
      else if (this.#queue.length > 0)
        this.#timer ??= this.#clock.after(limit('requestLogFlushMs'), () => this.#write())
    })
  }

  async #store(batch: readonly RequestRecord[]): Promise<void> {
    try {
      await this.#database.insertRows(this.#insert, batch.map(valuesOf))
    } catch (error) {
      // A full or failing disk must not stop requests: history has a gap, and the count says how wide it is.
      this.#drop(batch.length, error)
    }
  }

  #drop(rows: number, cause: unknown): void {
    this.#dropped += rows
    this.#metrics.requestLogDropped(rows)
    const now = this.#clock.monotonic()
    if (now - this.#warnedAtMs < WARN_INTERVAL_MS) return
    this.#warnedAtMs = now
    const reason = cause === undefined ? 'queue_full' : sqlFailureOf(cause)
    this.#log.warn({ rows: this.#dropped, reason, err: cause }, 'request log rows dropped')
    this.#dropped = 0
  }
}

/** The insert with a place for each column; a row that is there already stays. */
function insertStatement(db: Kysely<StateSchema>): string {
  const places = Object.fromEntries(REQUEST_LOG_COLUMNS.map((column) => [column, ''])) as unknown as RequestLogTable
  const insert = db.insertInto('request_log').values(places)
  return insert.onConflict((on) => on.column('id').doNothing()).compile().sql
}

function recordOf(row: Selectable<RequestLogTable>): RequestRecord {
  return {
    id: asRequestId(row.id),
    at: asUnixMs(row.at),
    endpoint: row.endpoint,
    model: row.model,
    keyId: row.key_id === null ? undefined : asKeyId(row.key_id),
    stream: row.stream !== 0,
    status: row.status,
    outcome: row.outcome,
    node: row.node ?? undefined,
    runtime: row.runtime ?? undefined,
    candidates: row.candidates,
    exclusions: JSON.parse(row.exclusions) as ExclusionRecord[],
    attempts: JSON.parse(row.attempts) as AttemptRecord[],
    inputTokens: row.input_tokens ?? undefined,
    outputTokens: row.output_tokens ?? undefined,
    firstByteMs: row.first_byte_ms ?? undefined,
    durationMs: row.duration_ms,
    finishReason: row.finish_reason ?? undefined,
  }
}
