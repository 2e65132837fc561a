/** Paths that stay inside one folder: no upward parts, no links on the way, nothing but plain files at the end. */
import { constants, type Stats } from 'node:fs'
import { type FileHandle, lstat, mkdir, open } from 'node:fs/promises'
import { join } from 'node:path'
import { HeddleError } from '../../core/errors.ts'
import { type ModelFileName, parseModelFileName } from '../../core/models/model-file-name.ts'
import { isMissing, systemCodeOf } from './disk-errors.ts'

/** Windows has no such flags; there the check before the opening stands alone. */
const NO_FOLLOW = constants.O_NOFOLLOW ?? 0
/** Opening a named pipe would wait for its other end for ever. */
const NO_WAIT = constants.O_NONBLOCK ?? 0

/** The absolute path of `name`; the name is parsed again because a cast can make any text a name. */
export function pathIn(root: string, name: ModelFileName): string {
  if (parseModelFileName(name) === undefined) throw new HeddleError('invalid_request', 'not a name for a model file')
  return join(root, ...name.split('/'))
}

/** Refuses a name whose folders are links or no folders; missing ones are made where `make` says so. */
async function checkFolders(root: string, name: ModelFileName, make: boolean): Promise<void> {
  let folder = root
  if (make) await mkdir(root, { recursive: true })
  for (const part of name.split('/').slice(0, -1)) {
    folder = join(folder, part)
    if (make) await mkdir(folder).catch(ignoreExisting)
    refuseUnless((await lstat(folder)).isDirectory(), name)
  }
}

function ignoreExisting(error: unknown): void {
  if (systemCodeOf(error) !== 'EEXIST') throw error
}

function refuseUnless(sound: boolean, name: string): void {
  if (!sound) throw new HeddleError('invalid_request', `${name} is a link or no plain file`)
}

/** The file's facts; undefined where there is no such file. */
export async function statConfined(root: string, name: ModelFileName): Promise<Stats | undefined> {
  const path = pathIn(root, name)
  try {
    await checkFolders(root, name, false)
    const facts = await lstat(path)
    refuseUnless(facts.isFile(), name)
    return facts
  } catch (error) {
    if (isMissing(error)) return undefined
    throw error
  }
}

/** Opens the file for reading, or undefined where there is none. */
export async function openConfined(root: string, name: ModelFileName): Promise<FileHandle | undefined> {
  if ((await statConfined(root, name)) === undefined) return undefined
  return await openPlain(pathIn(root, name), constants.O_RDONLY, name)
}

/** Opens `name` + `suffix` for reading and writing, made with its folders where missing. */
export async function openForWriting(root: string, name: ModelFileName, suffix: string): Promise<FileHandle> {
  const path = pathIn(root, name) + suffix
  await checkFolders(root, name, true)
  return await openPlain(path, constants.O_RDWR | constants.O_CREAT, name + suffix)
}

async function openPlain(path: string, flags: number, shown: string): Promise<FileHandle> {
  const file = await open(path, flags | NO_FOLLOW | NO_WAIT, 0o644).catch((cause: unknown) => {
    refuseUnless(systemCodeOf(cause) !== 'ELOOP', shown)
    throw cause
  })
  try {
    refuseUnless((await file.stat()).isFile(), shown)
    return file
  } catch (error) {
    await file.close()
    throw error
  }
}
