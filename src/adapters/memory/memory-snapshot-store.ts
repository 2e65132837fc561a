/** A snapshot in memory, for tests and for nodes that keep nothing. */
import { HeddleError } from '../../core/errors.ts'
import { limit } from '../../core/limits.ts'
import type { SnapshotStore } from '../../ports/snapshot-store.ts'

export class MemorySnapshotStore implements SnapshotStore {
  #bytes: Uint8Array | undefined

  load({ signal }: { readonly signal: AbortSignal }): Promise<Uint8Array | undefined> {
    if (signal.aborted) return Promise.reject(signal.reason)
    return Promise.resolve(this.#bytes && Uint8Array.from(this.#bytes))
  }

  save(bytes: Uint8Array, { signal }: { readonly signal: AbortSignal }): Promise<void> {
    if (signal.aborted) return Promise.reject(signal.reason)
    if (bytes.length > limit('registryFileBytes')) {
      return Promise.reject(new HeddleError('payload_too_large', `a snapshot of ${bytes.length} bytes is too large`))
    }
    this.#bytes = Uint8Array.from(bytes)
    return Promise.resolve()
  }
}
