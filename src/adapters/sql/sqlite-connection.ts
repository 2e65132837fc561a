/** Opens connections to a SQLite file. Imports little, because the thread of the request log carries what this file imports. */
import { DatabaseSync } from 'node:sqlite'
import { limit } from '../../core/limits.ts'

/** How sure a commit is when the power goes: `full` syncs each one, `normal` may lose the last ones. A killed process loses none. */
export type Durability = 'full' | 'normal'

/** Opens a connection for reading and writing that waits for other connections instead of failing at once. */
export function openSqlite(path: string, durability: Durability): DatabaseSync {
  const database = new DatabaseSync(path, { timeout: limit('stateBusyMs') })
  try {
    database.exec(
      `pragma journal_mode = wal; pragma synchronous = ${durability}; pragma foreign_keys = on; pragma journal_size_limit = ${limit('stateJournalBytes')}`,
    )
  } catch (error) {
    database.close()
    throw error
  }
  return database
}
