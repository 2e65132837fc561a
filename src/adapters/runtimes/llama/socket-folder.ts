/** A private folder for the socket of one engine process, or the name of a pipe where there are no such sockets. */
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'

export interface EngineSocket extends AsyncDisposable {
  readonly path: string
}

/** `sun_path` has 104 bytes on macOS and 108 on Linux, with a zero at the end. */
const LONGEST_PATH_BYTES = 103
const SOCKET_NAME = 'engine.sock'
const RANDOM_SUFFIX = 'engine-XXXXXX'

/** Makes a folder that only this user can enter, below `folder` where the path fits into a socket's address. */
export async function openEngineSocket(folder: string): Promise<EngineSocket> {
  const fits = Buffer.byteLength(join(folder, RANDOM_SUFFIX, SOCKET_NAME)) <= LONGEST_PATH_BYTES
  const parent = fits ? folder : tmpdir()
  await mkdir(parent, { recursive: true, mode: 0o700 })
  // mkdtemp gives 0700 and a name that nobody can guess.
  const own = await mkdtemp(join(parent, 'engine-'))
  return {
    path: process.platform === 'win32' ? String.raw`\\.\pipe\heddle-${basename(own)}` : join(own, SOCKET_NAME),
    [Symbol.asyncDispose]: () => rm(own, { recursive: true, force: true }),
  }
}
