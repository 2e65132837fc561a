/** A lock between processes that the system releases when its holder ends, however it ends. */
import { chmod, mkdir, open } from 'node:fs/promises'
import { dirname } from 'node:path'
import { DatabaseSync } from 'node:sqlite'

const OWNER_ONLY = 0o600
const OWNER_ONLY_FOLDER = 0o700
/** https://sqlite.org/rescode.html */
const SQLITE_BUSY = 5

/**
 * Takes the lock of the file `path`, made where it is missing and never removed; undefined where somebody else holds it, in this
 * process or another. Dispose the result to give it back. Node itself offers no lock of files; SQLite takes the system's.
 */
export async function takeProcessLock(path: string): Promise<Disposable | undefined> {
  await mkdir(dirname(path), { recursive: true, mode: OWNER_ONLY_FOLDER })
  const file = await open(path, 'a', OWNER_ONLY)
  await file.close()
  await chmod(path, OWNER_ONLY)
  const database = new DatabaseSync(path, { timeout: 0 })
  try {
    database.exec('begin exclusive')
  } catch (error) {
    database.close()
    if ((error as { readonly errcode?: unknown }).errcode === SQLITE_BUSY) return undefined
    throw error
  }
  return { [Symbol.dispose]: () => database.close() }
}
