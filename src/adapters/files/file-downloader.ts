/** "Downloads" from this machine's own disk: a `file:` URL or a path that the operator named. */
import { type FileHandle, open } from 'node:fs/promises'
import { resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { HeddleError } from '../../core/errors.ts'
import type { Download, Downloader, DownloadOptions } from '../../ports/downloader.ts'
import { systemCodeOf } from './disk-errors.ts'

const PIECE_BYTES = 1024 * 1024

/** A relative path counts from the folder in which the process was started. */
export class FileDownloader implements Downloader {
  async open(address: string, { fromByte, validator, signal }: DownloadOptions): Promise<Download> {
    signal.throwIfAborted()
    const file = await openSource(pathOf(address))
    try {
      const facts = await file.stat()
      if (!facts.isFile()) throw failed('it is not a plain file', undefined)
      const version = `${facts.size}-${Math.round(facts.mtimeMs)}-${facts.ino}`
      const offset = validator === undefined || validator === version ? Math.min(fromByte, facts.size) : 0
      return {
        sizeBytes: facts.size,
        offset,
        validator: version,
        body: bodyOf(file, offset, facts.size, signal),
        [Symbol.asyncDispose]: () => file.close(),
      }
    } catch (error) {
      await file.close()
      throw error
    }
  }
}

function pathOf(address: string): string {
  try {
    return /^file:/i.test(address) ? fileURLToPath(address) : resolve(address)
  } catch (cause) {
    throw failed('the file: URL names no file of this machine', cause)
  }
}

const WHY = new Map([
  ['ENOENT', 'there is no such file'],
  ['EACCES', 'this user may not read it'],
  ['EISDIR', 'it is a folder'],
])

async function openSource(path: string): Promise<FileHandle> {
  return await open(path, 'r').catch((cause: unknown) => {
    throw failed(WHY.get(systemCodeOf(cause) ?? '') ?? 'it cannot be opened', cause)
  })
}

async function* bodyOf(file: FileHandle, from: number, end: number, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  for (let at = from; at < end; ) {
    signal.throwIfAborted()
    // A piece of its own each time, because the reader may keep it.
    const { buffer, bytesRead } = await file.read(new Uint8Array(Math.min(PIECE_BYTES, end - at)), 0, undefined, at)
    if (bytesRead === 0) throw failed('it has become shorter while it was read', undefined)
    at += bytesRead
    yield buffer.subarray(0, bytesRead)
  }
}

/** Trying again at once changes nothing about a local file. */
function failed(why: string, cause: unknown): HeddleError {
  return new HeddleError('download_failed', `cannot read the file: ${why}`, { cause, shouldRetry: false })
}
