/** A snapshot as one file: written beside its name and renamed, so that a reader finds the old bytes or the new ones. */
import { randomBytes } from 'node:crypto'
import { mkdir, open, readFile, rename, rm, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { HeddleError } from '../../core/errors.ts'
import { limit } from '../../core/limits.ts'
import type { SnapshotStore } from '../../ports/snapshot-store.ts'

const OWNER_ONLY = 0o600
const OWNER_ONLY_FOLDER = 0o700
const FULL = new Set(['ENOSPC', 'EDQUOT', 'EFBIG'])

export class FileSnapshotStore implements SnapshotStore {
  readonly #path: string

  constructor(path: string) {
    this.#path = path
  }

  async load({ signal }: { readonly signal: AbortSignal }): Promise<Uint8Array | undefined> {
    try {
      if ((await stat(this.#path)).size > limit('registryFileBytes')) return undefined
      return new Uint8Array(await readFile(this.#path, { signal }))
    } catch (error) {
      signal.throwIfAborted()
      // Without the file, or the right to read it, the node starts as if for the first time.
      if (codeOf(error) !== undefined) return undefined
      throw error
    }
  }

  async save(bytes: Uint8Array, { signal }: { readonly signal: AbortSignal }): Promise<void> {
    if (bytes.length > limit('registryFileBytes')) {
      throw new HeddleError('payload_too_large', `a snapshot of ${bytes.length} bytes is too large`)
    }
    const folder = dirname(this.#path)
    const temporary = `${this.#path}.${randomBytes(6).toString('hex')}.tmp`
    try {
      await mkdir(folder, { recursive: true, mode: OWNER_ONLY_FOLDER })
      const file = await open(temporary, 'wx', OWNER_ONLY)
      try {
        await file.writeFile(bytes, { signal })
        await file.sync()
      } finally {
        await file.close()
      }
      await rename(temporary, this.#path)
    } catch (cause) {
      await rm(temporary, { force: true })
      if (!FULL.has(codeOf(cause) ?? '')) throw cause
      throw new HeddleError('storage_full', `no space left to write ${this.#path}`, { cause, fix: `df -h '${folder}'` })
    }
  }
}

function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined
}
