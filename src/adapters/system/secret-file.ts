/** Files that hold one secret: only their owner may read them, and a write is whole or not at all. */
import { randomBytes } from 'node:crypto'
import { chmod, type FileHandle, mkdir, open, rename, rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import { HeddleError } from '../../core/errors.ts'

const OWNER_ONLY = 0o600
const OWNER_ONLY_FOLDER = 0o700
const GROUP_AND_OTHERS = 0o077
/** Keys and tokens are far shorter; a longer file is not one. */
const SECRET_FILE_BYTES = 64 * 1024

/** Writes `secret` and a line end to `path` with mode 0600, through a temporary file, synced before it takes the name. */
export async function writeSecretFile(path: string, secret: string): Promise<void> {
  const folder = dirname(path)
  await mkdir(folder, { recursive: true, mode: OWNER_ONLY_FOLDER })
  const temporary = `${path}.${randomBytes(6).toString('hex')}.tmp`
  try {
    const file = await open(temporary, 'wx', OWNER_ONLY)
    try {
      await file.writeFile(`${secret}\n`)
      await file.sync()
    } finally {
      await file.close()
    }
    await chmod(temporary, OWNER_ONLY)
    await rename(temporary, path)
  } catch (cause) {
    await rm(temporary, { force: true })
    if (isFull(cause)) {
      throw new HeddleError('storage_full', `no space left to write ${path}`, { cause, fix: `df -h '${folder}'` })
    }
    throw cause
  }
  await syncFolder(folder)
}

/**
 * The secret in `path` without surrounding white space; undefined where no such file is.
 * Refuses a file that its group or others may read (`insecure_file_mode`): the secret may be known already.
 */
export async function readSecretFile(path: string): Promise<string | undefined> {
  const file = await openIfThere(path)
  if (file === undefined) return undefined
  try {
    const { mode, size } = await file.stat()
    // Windows has no such modes; its folders under the profile are the user's own.
    if (process.platform !== 'win32' && (mode & GROUP_AND_OTHERS) !== 0) {
      throw new HeddleError(
        'insecure_file_mode',
        `others than its owner may read ${path} (mode 0${(mode & 0o777).toString(8)})`,
        {
          fix: `chmod 600 '${path}'`,
        },
      )
    }
    if (size > SECRET_FILE_BYTES)
      throw new HeddleError('config_invalid', `${path} is too large for a file with one secret`)
    return (await file.readFile('utf8')).trim()
  } finally {
    await file.close()
  }
}

async function openIfThere(path: string): Promise<FileHandle | undefined> {
  try {
    return await open(path, 'r')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

/** Makes the new name survive a power cut. */
async function syncFolder(folder: string): Promise<void> {
  if (process.platform === 'win32') return
  const handle = await open(folder, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

function isFull(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException
  return code === 'ENOSPC' || code === 'EDQUOT'
}
