/** What a database's error means to us, whatever database it is. */
import { HeddleError } from '../../core/errors.ts'

export type SqlFailure = 'full' | 'conflict' | 'corrupt' | 'busy' | 'unopenable' | 'other'

/** Primary result codes of SQLite (https://sqlite.org/rescode.html); extended ones carry them in their low byte. */
const SQLITE_CODES: Readonly<Record<number, SqlFailure>> = {
  3: 'unopenable', // SQLITE_PERM
  5: 'busy', // SQLITE_BUSY
  6: 'busy', // SQLITE_LOCKED
  8: 'unopenable', // SQLITE_READONLY
  11: 'corrupt', // SQLITE_CORRUPT
  13: 'full', // SQLITE_FULL
  14: 'unopenable', // SQLITE_CANTOPEN
  19: 'conflict', // SQLITE_CONSTRAINT
  26: 'corrupt', // SQLITE_NOTADB
}

export function sqlFailureOf(error: unknown): SqlFailure {
  if (!(error instanceof Error)) return 'other'
  if ('errcode' in error && typeof error.errcode === 'number') return SQLITE_CODES[error.errcode & 0xff] ?? 'other'
  return 'code' in error && (error.code === 'ENOSPC' || error.code === 'EDQUOT') ? 'full' : 'other'
}

/** Runs one write; a full disk becomes `storage_full` and a value that must be unique `conflict`. */
export async function storing<T>(what: string, write: () => Promise<T>): Promise<T> {
  try {
    return await write()
  } catch (cause) {
    switch (sqlFailureOf(cause)) {
      case 'full':
        throw new HeddleError('storage_full', `no space left to store ${what}`, { cause, fix: 'df -h' })
      case 'conflict':
        throw new HeddleError('conflict', `${what} exists already`, { cause })
      default:
        throw cause
    }
  }
}
