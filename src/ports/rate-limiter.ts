/** Counters that say no. Every implementation promises that `consume` is atomic and that points come back with time. */

export interface RateVerdict {
  readonly allowed: boolean
  readonly limit: number
  readonly remaining: number
  /** Until the window starts anew. */
  readonly resetMs: number
}

export interface RateLimiter {
  /** Takes `points` of `subject`'s `limit` a minute; nothing is taken where too few are left. */
  consume(subject: string, limit: number, points: number): Promise<RateVerdict>
  /** Takes points whatever is left, for costs known only afterwards; may leave the subject in debt until its window ends. */
  charge(subject: string, limit: number, points: number): Promise<RateVerdict>
  /** Looks without taking. */
  peek(subject: string, limit: number): Promise<RateVerdict>
}
