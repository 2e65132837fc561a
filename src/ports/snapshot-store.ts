/** One block of bytes at rest that may be lost without harm: what a node remembers so that it starts faster. */

interface Waiting {
  readonly signal: AbortSignal
}

/**
 * Every implementation promises (test/contracts/snapshot-store.contract.ts checks it):
 * - `load` gives what the last finished `save` was given, or undefined where there is nothing that can be read;
 * - a crash during `save` leaves the bytes of before;
 * - bytes above `registryFileBytes` are neither written nor read.
 */
export interface SnapshotStore {
  load(options: Waiting): Promise<Uint8Array | undefined>
  /** `storage_full` where the disk is; `payload_too_large`. */
  save(bytes: Uint8Array, options: Waiting): Promise<void>
}
