/** Counts in this process's memory, in windows of one minute that begin with a subject's first request. */
import { RateLimiterMemory, type RateLimiterRes } from 'rate-limiter-flexible'
import { limit as boundOf } from '../../core/limits.ts'
import type { RateLimiter, RateVerdict } from '../../ports/rate-limiter.ts'

const WINDOW_SECONDS = 60

/** The same subject under two limits is counted twice, once for each. */
export class MemoryRateLimiter implements RateLimiter {
  /** One for each limit in use, the least recently used first. */
  readonly #limiters = new Map<number, RateLimiterMemory>()
  /** Every subject counted, as `limit subject`, the one counted first in front. */
  readonly #subjects = new Set<string>()
  /** The end of each subject's line: looking and taking are two steps, and nobody may get between them. */
  readonly #turns = new Map<string, Promise<unknown>>()

  consume(subject: string, limit: number, points: number): Promise<RateVerdict> {
    return this.#inTurn(subject, limit, async (limiter) => {
      const before = await limiter.get(subject)
      const used = before?.consumedPoints ?? 0
      if (used + points > limit) return verdictOf(limit, before, false)
      return verdictOf(limit, await limiter.penalty(subject, points), true)
    })
  }

  charge(subject: string, limit: number, points: number): Promise<RateVerdict> {
    return this.#inTurn(subject, limit, async (limiter) => {
      const after = await limiter.penalty(subject, points)
      return verdictOf(limit, after, after.consumedPoints <= limit)
    })
  }

  async peek(subject: string, limit: number): Promise<RateVerdict> {
    const now = (await this.#limiters.get(limit)?.get(subject)) ?? null
    return verdictOf(limit, now, (now?.consumedPoints ?? 0) < limit)
  }

  async #inTurn<T>(subject: string, limit: number, task: (limiter: RateLimiterMemory) => Promise<T>): Promise<T> {
    const name = `${limit} ${subject}`
    const before = this.#turns.get(name)
    const limiter = this.#limiter(limit)
    this.#count(name)
    const turn = before === undefined ? task(limiter) : before.then(() => task(limiter))
    this.#turns.set(name, turn)
    try {
      return await turn
    } finally {
      if (this.#turns.get(name) === turn) this.#turns.delete(name)
    }
  }

  #limiter(limit: number): RateLimiterMemory {
    const limiter = this.#limiters.get(limit) ?? new RateLimiterMemory({ points: limit, duration: WINDOW_SECONDS })
    this.#limiters.delete(limit)
    this.#limiters.set(limit, limiter)
    if (this.#limiters.size > boundOf('rateLimiters')) {
      const [oldest] = this.#limiters.keys()
      if (oldest !== undefined) this.#limiters.delete(oldest)
    }
    return limiter
  }

  /** Forgets the subject counted first when there are too many: its window is the nearest to its end. */
  #count(name: string): void {
    if (this.#subjects.has(name)) return
    this.#subjects.add(name)
    if (this.#subjects.size <= boundOf('rateSubjects')) return
    const [oldest = ''] = this.#subjects
    this.#subjects.delete(oldest)
    const space = oldest.indexOf(' ')
    void this.#limiters.get(Number(oldest.slice(0, space)))?.delete(oldest.slice(space + 1))
  }
}

function verdictOf(limit: number, state: RateLimiterRes | null, allowed: boolean): RateVerdict {
  return {
    allowed,
    limit,
    remaining: Math.max(0, limit - (state?.consumedPoints ?? 0)),
    resetMs: Math.max(0, state?.msBeforeNext ?? 0),
  }
}
