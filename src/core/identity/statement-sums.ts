/** Sums over an account book by which two nodes find which accounts they know differently without sending them. */
import type { AccountId } from '../ids.ts'
import type { AccountBook } from './account-book.ts'
import { hexOf } from './bytes.ts'

/**
 * Accounts are spread over 256 buckets by the first byte of their id. A bucket's sum is the exclusive or of the first 8 bytes of the digests of
 * its accounts.
 */
export const STATEMENT_BUCKETS = 256
export const SUM_BYTES = 8

/** What a book holds at one version, summed up. */
export class StatementSums {
  readonly #sums = new Map<AccountId, string>()
  readonly #accounts = new Map<number, AccountId[]>()
  readonly #buckets = new Uint8Array(STATEMENT_BUCKETS * SUM_BYTES)

  constructor(book: Pick<AccountBook, 'accounts' | 'digestOf'>) {
    for (const account of book.accounts()) {
      const sum = book.digestOf(account)?.subarray(0, SUM_BYTES)
      if (sum === undefined) continue
      const bucket = statementBucketOf(account)
      this.#sums.set(account, hexOf(sum))
      const accounts = this.#accounts.get(bucket)
      if (accounts === undefined) this.#accounts.set(bucket, [account])
      else accounts.push(account)
      for (const [index, byte] of sum.entries()) {
        const at = bucket * SUM_BYTES + index
        this.#buckets[at] = (this.#buckets[at] ?? 0) ^ byte
      }
    }
  }

  /** The sums of all buckets, one after another. */
  buckets(): Uint8Array {
    return this.#buckets.slice()
  }

  /** Of one account, lower-case hex; undefined where it has said nothing. */
  of(account: AccountId): string | undefined {
    return this.#sums.get(account)
  }

  accountsIn(bucket: number): readonly AccountId[] {
    return this.#accounts.get(bucket) ?? []
  }

  /** The buckets whose sums are not those of `others`. */
  differing(others: Uint8Array): readonly number[] {
    const differing: number[] = []
    for (let bucket = 0; bucket < STATEMENT_BUCKETS; bucket += 1) {
      for (let at = bucket * SUM_BYTES; at < (bucket + 1) * SUM_BYTES; at += 1) {
        if (this.#buckets[at] === others[at]) continue
        differing.push(bucket)
        break
      }
    }
    return differing
  }
}

export function statementBucketOf(account: AccountId): number {
  return Number.parseInt(account.slice(0, 2), 16)
}
