/** Keeps what accounts have said on disk, gathered into few writes, in a file that does not outgrow what is held. */
import { HeddleError } from '../core/errors.ts'
import type { AccountBook } from '../core/identity/account-book.ts'
import { limit } from '../core/limits.ts'
import type { Logger } from '../ports/logger.ts'
import type { StatementStore } from '../ports/statement-store.ts'

export interface StatementKeeperDeps {
  readonly book: AccountBook
  readonly store: StatementStore
  readonly log: Logger
}

export class StatementKeeper {
  readonly #deps: StatementKeeperDeps
  #unwritten: Uint8Array[] = []
  /** Lines of the file, and how many there were when it held nothing that was replaced since. */
  #lines = 0
  #soundLines = 0
  #writing: Promise<void> = Promise.resolve()

  constructor(deps: StatementKeeperDeps) {
    this.#deps = deps
  }

  /** Puts what was kept into the book. @throws HeddleError `state_corrupt` */
  async load(): Promise<void> {
    const stored = await this.#deps.store.read()
    this.#deps.book.addAll(stored)
    this.#lines = stored.length
    this.#soundLines = Math.min(stored.length, this.#held().length)
  }

  add(statements: readonly Uint8Array[]): void {
    this.#unwritten.push(...statements)
  }

  /** Resolves once everything that was added is on disk, or could not be written. */
  write(): Promise<void> {
    const fresh = this.#unwritten
    this.#unwritten = []
    if (fresh.length > 0) this.#writing = this.#writing.then(() => this.#store(fresh))
    return this.#writing
  }

  async #store(fresh: readonly Uint8Array[]): Promise<void> {
    const { store, log } = this.#deps
    try {
      if (this.#lines + fresh.length > 2 * this.#soundLines + limit('statementsOnDisk')) {
        // A stronger revocation takes the place of a weaker one, and accounts are let go of: the file still has both.
        const held = this.#held()
        await store.replace(held)
        this.#lines = held.length
        this.#soundLines = held.length
      } else {
        await store.append(fresh)
        this.#lines += fresh.length
      }
    } catch (error) {
      // It is in force nevertheless, and peers tell it again after a restart.
      const code = error instanceof HeddleError ? error.code : 'internal'
      log.warn({ code }, 'cannot keep what an account has said of its devices')
    }
  }

  #held(): readonly Uint8Array[] {
    const { book } = this.#deps
    return [...book.accounts()].flatMap((account) => book.statementsOf(account))
  }
}
