/** A model file that is being written on disk, beside its final name until it is whole. */
import type { Hash } from 'node:crypto'
import { createHash } from 'node:crypto'
import { type FileHandle, link, lstat, open, rename, rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import { HeddleError } from '../../core/errors.ts'
import type { ModelFileName } from '../../core/models/model-file-name.ts'
import type { ModelFileOrigin, ModelFilePart } from '../../ports/model-files.ts'
import { openForWriting, pathIn } from './confined-path.ts'
import { isMissing, systemCodeOf, writeFailure } from './disk-errors.ts'
import { hashFile, readOrigin, writeDigestNote, writeJson } from './file-digest.ts'
import { takePartLock } from './part-lock.ts'

/** The files that belong to one model file; none of them ends in `.gguf`, so none is ever listed. */
export const PART = '.part'
export const PART_NOTE = '.part.json'
export const PART_LOCK = '.part.lock'
export const DIGEST_NOTE = '.digest.json'

interface Waiting {
  readonly signal: AbortSignal
}

/** What an open part holds until it is disposed. */
interface Held {
  readonly file: FileHandle
  readonly unlock: () => Promise<void>
}

export async function openDiskPart(
  { root, locks }: { readonly root: string; readonly locks: Set<string> },
  name: ModelFileName,
  { signal }: Waiting,
): Promise<ModelFilePart> {
  const path = pathIn(root, name)
  // Opened first, because that makes the folders; nothing is written before the lock is ours.
  const file = await openForWriting(root, name, PART).catch((cause: unknown) => {
    throw writeFailure(cause, root)
  })
  try {
    const unlock = await takePartLock(path + PART_LOCK, locks, name)
    try {
      const { size } = await file.stat()
      return new DiskModelPart(
        path,
        { file, unlock },
        size,
        await hashFile(file, { signal }),
        await readOrigin(path + PART_NOTE),
      )
    } catch (error) {
      await unlock()
      throw error
    }
  } catch (error) {
    await file.close()
    throw writeFailure(error, root)
  }
}

class DiskModelPart implements ModelFilePart {
  readonly #path: string
  readonly #held: Held
  #sizeBytes: number
  #hash: Hash
  #origin: ModelFileOrigin | undefined
  #closed = false

  constructor(path: string, held: Held, sizeBytes: number, hash: Hash, origin: ModelFileOrigin | undefined) {
    this.#path = path
    this.#held = held
    this.#sizeBytes = sizeBytes
    this.#hash = hash
    this.#origin = origin
  }

  get sizeBytes(): number {
    return this.#sizeBytes
  }

  get origin(): ModelFileOrigin | undefined {
    return this.#origin
  }

  async restart(origin: ModelFileOrigin, { signal }: Waiting): Promise<void> {
    signal.throwIfAborted()
    try {
      await this.#held.file.truncate(0)
      this.#sizeBytes = 0
      this.#hash = createHash('sha256')
      await writeJson(this.#path + PART_NOTE, origin)
      this.#origin = origin
    } catch (cause) {
      throw writeFailure(cause, dirname(this.#path))
    }
  }

  async append(bytes: Uint8Array, { signal }: Waiting): Promise<void> {
    for (let done = 0; done < bytes.length; ) {
      signal.throwIfAborted()
      const { bytesWritten } = await this.#held.file
        .write(bytes, done, bytes.length - done, this.#sizeBytes)
        .catch((cause: unknown) => {
          throw writeFailure(cause, dirname(this.#path))
        })
      this.#hash.update(bytes.subarray(done, done + bytesWritten))
      this.#sizeBytes += bytesWritten
      done += bytesWritten
    }
  }

  async read(offset: number, length: number, { signal }: Waiting): Promise<Uint8Array> {
    signal.throwIfAborted()
    const { buffer, bytesRead } = await this.#held.file.read(new Uint8Array(length), 0, length, offset)
    return buffer.subarray(0, bytesRead)
  }

  digest(): string {
    return this.#hash.copy().digest('hex')
  }

  async commit({ signal }: Waiting): Promise<void> {
    signal.throwIfAborted()
    const { file } = this.#held
    await file.sync().catch((cause: unknown) => {
      throw writeFailure(cause, dirname(this.#path))
    })
    const { mtimeMs } = await file.stat()
    await this.#takeName()
    await rm(this.#path + PART_NOTE, { force: true })
    await syncFolder(dirname(this.#path))
    const version = { sizeBytes: this.#sizeBytes, modifiedMs: Math.round(mtimeMs) }
    // The file is whole and in place: without this note its digest is only read from the file again.
    await writeDigestNote(this.#path + DIGEST_NOTE, version, { sha256: this.digest(), origin: this.#origin }).catch(
      () => undefined,
    )
  }

  /** A link to a new name fails where the name is taken, which a rename would not. */
  async #takeName(): Promise<void> {
    const from = this.#path + PART
    try {
      await link(from, this.#path)
      await rm(from)
    } catch (error) {
      if (systemCodeOf(error) === 'EEXIST') throw taken(error)
      if (!NO_LINKS.has(systemCodeOf(error) ?? '')) throw error
      const there = await lstat(this.#path).catch((cause: unknown) => {
        if (!isMissing(cause)) throw cause
        return undefined
      })
      if (there !== undefined) throw taken(error)
      await rename(from, this.#path)
    }
  }

  async discard(): Promise<void> {
    await rm(this.#path + PART, { force: true })
    await rm(this.#path + PART_NOTE, { force: true })
    await this[Symbol.asyncDispose]()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    await this.#held.file.close()
    await this.#held.unlock()
  }
}

/** File systems without hard links (exFAT, some network shares) say one of these. */
const NO_LINKS = new Set(['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EXDEV', 'EMLINK'])

function taken(cause: unknown): HeddleError {
  return new HeddleError('conflict', 'a file of that name has appeared meanwhile', { cause })
}

/** Makes the new name survive a power cut, where the system lets a folder be synced. */
async function syncFolder(folder: string): Promise<void> {
  try {
    await using handle = await open(folder, 'r')
    await handle.sync()
  } catch {
    // Windows and some network file systems cannot: the name is then as durable as they make it.
  }
}
