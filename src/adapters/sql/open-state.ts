/** Opens the state database of a node: one SQLite file with keys, runtimes, models seen and the request log. */
import { chmod, mkdir, open, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { Kysely } from 'kysely'
import { HeddleError } from '../../core/errors.ts'
import type { Clock } from '../../ports/clock.ts'
import type { Logger } from '../../ports/logger.ts'
import { migrate } from './migrate.ts'
import { sqliteDialect, sqliteDriver } from './node-sqlite.ts'
import type { StateSchema } from './schema.ts'
import { sqlFailureOf } from './sql-errors.ts'
import { openSqlite } from './sqlite-connection.ts'
import { SqliteWorker } from './sqlite-worker.ts'

export interface OpenStateOptions {
  readonly path: string
  readonly log: Logger
  readonly clock: Clock
}

export interface State extends AsyncDisposable {
  readonly path: string
  /** On this thread, for small queries; a commit here survives a power cut. */
  readonly db: Kysely<StateSchema>
  /** On a thread of its own, for the request log. */
  readonly worker: SqliteWorker
}

const OWNER_ONLY = 0o600
const OWNER_ONLY_FOLDER = 0o700

/**
 * Opens `path`, made with mode 0600 in a folder of mode 0700 where it is missing, and brings its tables up to date.
 * Fails with `state_corrupt` (the file stays as it is), `state_newer`, `storage_full` or `config_invalid`; dispose the result.
 */
export async function openState({ path, log, clock }: OpenStateOptions): Promise<State> {
  const startedAt = clock.monotonic()
  try {
    await prepareFile(path)
    checkIntegrity(path)
    const db = new Kysely<StateSchema>({ dialect: sqliteDialect(() => sqliteDriver(openSqlite(path, 'full'))) })
    try {
      await migrate(db)
    } catch (error) {
      await db.destroy()
      throw error
    }
    log.debug({ path, tookMs: Math.round(clock.monotonic() - startedAt) }, 'state opened')
    return stateOf(path, db)
  } catch (error) {
    throw openErrorOf(path, error)
  }
}

function stateOf(path: string, db: Kysely<StateSchema>): State {
  const worker = new SqliteWorker({ path })
  return {
    path,
    db,
    worker,
    async [Symbol.asyncDispose]() {
      try {
        await worker[Symbol.asyncDispose]()
      } finally {
        await db.destroy()
      }
    },
  }
}

/** Makes the file before SQLite does, so that neither it nor its journals are ever readable by others. */
async function prepareFile(path: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: OWNER_ONLY_FOLDER })
  const file = await open(path, 'a', OWNER_ONLY)
  await file.close()
  const { mode } = await stat(path)
  if ((mode & 0o777) !== OWNER_ONLY) await chmod(path, OWNER_ONLY)
}

/** Reads the whole file through a connection that cannot write, so that a broken one stays as it is for whoever mends it. */
function checkIntegrity(path: string): void {
  const database = new DatabaseSync(path, { readOnly: true, timeout: 1_000 })
  try {
    const [found] = database.prepare('pragma quick_check(1)').all()
    const verdict = found?.['quick_check']
    if (verdict !== 'ok') throw corruptError(path, String(verdict))
  } finally {
    database.close()
  }
}

function openErrorOf(path: string, error: unknown): unknown {
  if (error instanceof HeddleError) return error
  switch (sqlFailureOf(error)) {
    case 'corrupt':
      return corruptError(path, (error as Error).message, error)
    case 'full':
      return new HeddleError('storage_full', `no space left for the state in ${path}`, {
        cause: error,
        fix: `df -h '${dirname(path)}'`,
      })
    case 'busy':
      return new HeddleError('config_invalid', `another program holds ${path}; is this node running already?`, {
        cause: error,
        fix: 'heddle status',
      })
    default:
      return new HeddleError('config_invalid', `cannot open the state in ${path}: ${(error as Error).message}`, {
        cause: error,
        fix: `ls -ld '${dirname(path)}' '${path}'`,
      })
  }
}

function corruptError(path: string, found: string, cause?: unknown): HeddleError {
  // The journals go along: they belong to this file and would harm a new one.
  const aside = `for f in '${path}' '${path}-wal' '${path}-shm'; do [ -e "$f" ] && mv "$f" "$f.broken"; done`
  const summary = found.split('\n')[0] ?? found
  return new HeddleError('state_corrupt', `the state file ${path} is damaged (${summary}); heddle left it as it is`, {
    cause,
    fix: `${aside}  # then start again: keys and history begin anew; 'sqlite3 ${path}.broken .recover' may save them`,
  })
}
