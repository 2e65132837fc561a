/** Keeps a second node out of the folders of a running one: they would take each other's keys, sockets and files. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { takeProcessLock } from '../adapters/system/process-lock.ts'
import { HeddleError } from '../core/errors.ts'
import type { NodeFile } from './node-file.ts'
import type { Paths } from './paths.ts'

/** Held until the result is disposed or the process ends. @throws HeddleError `conflict`, or `config_invalid` where the folder cannot be written */
export async function lockFolders({ state, nodeFile }: Pick<Paths, 'state' | 'nodeFile'>): Promise<Disposable> {
  const lock = await takeProcessLock(join(state, 'node.lock')).catch((cause: Error) => {
    throw new HeddleError('config_invalid', `cannot write in ${state}: ${cause.message}`, {
      cause,
      fix: `ls -ld '${state}'`,
    })
  })
  if (lock !== undefined) return lock
  throw new HeddleError('conflict', `a node runs already with these folders${await holderOf(nodeFile)}`, {
    fix: 'heddle down\nor give this one folders of its own with HEDDLE_HOME',
  })
}

/** Who it is, where it has said so: one that is still starting has not. */
async function holderOf(nodeFile: string): Promise<string> {
  try {
    const { pid, url } = JSON.parse(await readFile(nodeFile, 'utf8')) as NodeFile
    return ` (pid ${pid}, ${url})`
  } catch {
    return ''
  }
}
