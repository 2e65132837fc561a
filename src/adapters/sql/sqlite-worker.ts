/** A second connection to the state database on a thread of its own, so that writing the request log never stalls requests. */
import { Worker } from 'node:worker_threads'
import { type CompiledQuery, type DatabaseConnection, type Driver, Kysely, type QueryResult } from 'kysely'
import { sqliteDialect } from './node-sqlite.ts'
import type { SqlValue, StateSchema } from './schema.ts'

export type WorkerRequest = { readonly id: number } & (
  | { readonly kind: 'query'; readonly sql: string; readonly parameters: readonly unknown[] }
  | { readonly kind: 'rows'; readonly sql: string; readonly rows: readonly (readonly SqlValue[])[] }
  | { readonly kind: 'close' }
)

export interface WorkerAnswer {
  readonly id: number
  readonly rows?: readonly unknown[]
  readonly changes?: number
  readonly failure?: { readonly message: string; readonly errcode: number | undefined }
}

export interface WorkerData {
  readonly path: string
}

interface Waiting {
  readonly resolve: (answer: WorkerAnswer) => void
  readonly reject: (error: Error) => void
}

type Unnumbered<T> = T extends { readonly id: number } ? Omit<T, 'id'> : never

/** An error of SQLite that happened on the other thread. */
class SqliteWorkerError extends Error {
  override readonly name = 'SqliteWorkerError'
  readonly errcode: number | undefined

  constructor(message: string, errcode?: number) {
    super(message)
    this.errcode = errcode
  }
}

/** Starts its thread on first use, and again should it die. Does not keep the process alive by itself. */
export class SqliteWorker implements AsyncDisposable {
  /** Queries that run on the thread. */
  readonly db: Kysely<StateSchema>
  readonly #path: string
  readonly #waiting = new Map<number, Waiting>()
  #worker: Worker | undefined
  #nextId = 1
  #closed = false

  constructor({ path }: { readonly path: string }) {
    this.#path = path
    this.db = new Kysely<StateSchema>({ dialect: sqliteDialect(() => new SqliteWorkerDriver(this)) })
  }

  async query(sql: string, parameters: readonly unknown[]): Promise<WorkerAnswer> {
    return await this.#ask({ kind: 'query', sql, parameters })
  }

  /** Runs `sql` once for each row, all or none. Handing flat arrays over costs half of what JSON does (measured). */
  async insertRows(sql: string, rows: readonly (readonly SqlValue[])[]): Promise<number> {
    const { changes } = await this.#ask({ kind: 'rows', sql, rows })
    return changes ?? 0
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#closed) return
    await this.db.destroy()
    const worker = this.#worker
    if (worker !== undefined) await this.#ask({ kind: 'close' })
    this.#closed = true
    await worker?.terminate()
  }

  #ask(request: Unnumbered<WorkerRequest>): Promise<WorkerAnswer> {
    if (this.#closed) return Promise.reject(new SqliteWorkerError('the state database is closed'))
    this.#worker ??= this.#start()
    const worker = this.#worker
    const id = this.#nextId++
    return new Promise((resolve, reject) => {
      // While something waits for an answer the process must not end.
      if (this.#waiting.size === 0) worker.ref()
      this.#waiting.set(id, { resolve, reject })
      worker.postMessage({ id, ...request })
    })
  }

  #start(): Worker {
    // The build turns the entry into JavaScript but leaves names in strings alone.
    const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js'
    const worker = new Worker(new URL(`./sqlite-worker-thread.${extension}`, import.meta.url), {
      workerData: { path: this.#path } satisfies WorkerData,
      name: 'heddle-state',
    })
    worker.unref()
    worker.on('message', (answer: WorkerAnswer) => this.#answered(worker, answer))
    worker.on('error', (error: Error & { errcode?: number }) => this.#died(worker, error.message, error.errcode))
    worker.on('exit', () => this.#died(worker, 'the thread of the state database ended'))
    return worker
  }

  #answered(worker: Worker, answer: WorkerAnswer): void {
    const waiting = this.#waiting.get(answer.id)
    this.#waiting.delete(answer.id)
    if (this.#waiting.size === 0) worker.unref()
    if (answer.failure) waiting?.reject(new SqliteWorkerError(answer.failure.message, answer.failure.errcode))
    else waiting?.resolve(answer)
  }

  #died(worker: Worker, reason: string, errcode?: number): void {
    if (this.#worker !== worker) return
    this.#worker = undefined
    for (const { reject } of this.#waiting.values()) reject(new SqliteWorkerError(reason, errcode))
    this.#waiting.clear()
  }
}

/** Carries Kysely's statements to the thread. */
class SqliteWorkerDriver implements Driver {
  readonly #connection: DatabaseConnection

  constructor(worker: SqliteWorker) {
    this.#connection = {
      async executeQuery<R>({ sql, parameters }: CompiledQuery): Promise<QueryResult<R>> {
        const { rows, changes } = await worker.query(sql, parameters)
        return {
          rows: (rows ?? []) as R[],
          ...(changes === undefined ? {} : { numAffectedRows: BigInt(changes) }),
        }
      },
      streamQuery() {
        throw new Error('the thread of the state database does not stream')
      },
    }
  }

  async init(): Promise<void> {}

  acquireConnection(): Promise<DatabaseConnection> {
    return Promise.resolve(this.#connection)
  }

  // Batches of rows are transactions of their own on this connection: one held open between statements would swallow them.
  beginTransaction(): Promise<void> {
    return Promise.reject(new Error('the thread of the state database has no transactions over several statements'))
  }

  async commitTransaction(): Promise<void> {}

  async rollbackTransaction(): Promise<void> {}

  async releaseConnection(): Promise<void> {}

  async destroy(): Promise<void> {}
}
