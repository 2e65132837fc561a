/** Signed statements at rest, so that what an account revoked stays revoked when the node starts again. */

/**
 * Every implementation promises (test/contracts/statement-store.contract.ts checks it): what `append` has resolved for is read after a crash;
 * a crash while it runs loses at most what it was given; order is kept.
 */
export interface StatementStore {
  read(): Promise<readonly Uint8Array[]>
  append(statements: readonly Uint8Array[]): Promise<void>
  /** Puts `statements` in the place of everything stored, in one step. */
  replace(statements: readonly Uint8Array[]): Promise<void>
}
