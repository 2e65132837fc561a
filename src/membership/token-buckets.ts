/** How often each of many may do something: so many at once, and so many a second in the long run. */
import type { MonotonicMs } from '../core/ids.ts'

export interface Rate {
  readonly perSecond: number
  readonly burst: number
  /** How many are kept apart; of more, the one that was quiet for longest is forgotten. */
  readonly most: number
}

interface Bucket {
  tokens: number
  at: MonotonicMs
}

const MS_PER_SECOND = 1_000

export class TokenBuckets {
  readonly #rate: Rate
  readonly #buckets = new Map<string, Bucket>()

  constructor(rate: Rate) {
    this.#rate = rate
  }

  get size(): number {
    return this.#buckets.size
  }

  /** Takes tokens of `name`, one unless told otherwise; false where there are fewer. */
  take(name: string, at: MonotonicMs, count = 1): boolean {
    const bucket = this.#filled(name, at)
    if (bucket.tokens < count) return false
    bucket.tokens -= count
    return true
  }

  /** How long `name` must wait for a token. */
  waitMs(name: string, at: MonotonicMs): number {
    const { tokens } = this.#filled(name, at)
    return tokens >= 1 ? 0 : Math.ceil(((1 - tokens) * MS_PER_SECOND) / this.#rate.perSecond)
  }

  #filled(name: string, at: MonotonicMs): Bucket {
    const { perSecond, burst, most } = this.#rate
    const known = this.#buckets.get(name)
    const tokens = known === undefined ? burst : known.tokens + ((at - known.at) * perSecond) / MS_PER_SECOND
    const bucket = { tokens: Math.min(burst, tokens), at }
    this.#buckets.delete(name)
    this.#buckets.set(name, bucket)
    const [oldest] = this.#buckets.keys()
    if (this.#buckets.size > most && oldest !== undefined) this.#buckets.delete(oldest)
    return bucket
  }
}
