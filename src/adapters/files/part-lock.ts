/** One writer for each part, among the tasks of this process and among processes. */
import { open, readFile, rm } from 'node:fs/promises'
import { kill, pid } from 'node:process'
import { HeddleError } from '../../core/errors.ts'
import { systemCodeOf } from './disk-errors.ts'

/** Takes the lock file at `path`; `conflict` where a living process has it. The result gives it back. */
export async function takePartLock(path: string, held: Set<string>, shown: string): Promise<() => Promise<void>> {
  if (held.has(path)) throw busy(shown, pid)
  held.add(path)
  try {
    await writeLock(path, shown)
  } catch (error) {
    held.delete(path)
    throw error
  }
  return async () => {
    await rm(path, { force: true })
    held.delete(path)
  }
}

async function writeLock(path: string, shown: string): Promise<void> {
  // A second try follows when the lock's process is gone; a third would mean that others are at it right now.
  for (let tries = 0; tries < 2; tries += 1) {
    try {
      await using file = await open(path, 'wx')
      await file.writeFile(String(pid))
      return
    } catch (error) {
      if (systemCodeOf(error) !== 'EEXIST') throw error
    }
    const owner = Number(await readFile(path, 'utf8').catch(() => ''))
    if (isAlive(owner)) throw busy(shown, owner)
    await rm(path, { force: true })
  }
  throw busy(shown, undefined)
}

/** Our own id in a lock that this process does not hold comes from an earlier process of that number. */
function isAlive(owner: number): boolean {
  if (!Number.isSafeInteger(owner) || owner <= 0 || owner === pid) return false
  try {
    kill(owner, 0)
    return true
  } catch (error) {
    return systemCodeOf(error) === 'EPERM' // another person's process
  }
}

function busy(shown: string, owner: number | undefined): HeddleError {
  const by = owner === undefined ? 'another process' : owner === pid ? 'this node' : `process ${owner}`
  return new HeddleError('conflict', `${shown} is being written already by ${by}`)
}
