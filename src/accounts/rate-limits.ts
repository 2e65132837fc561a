/** Requests and tokens a minute of each key, requests a minute of each address, and guesses at keys. */
import { HeddleError } from '../core/errors.ts'
import { limit } from '../core/limits.ts'
import type { ApiKey } from '../ports/key-store.ts'
import type { RateLimiter, RateVerdict } from '../ports/rate-limiter.ts'
import { addressGroupOf, isLoopback } from './addresses.ts'

const NO_HEADERS: readonly string[] = []

/** Whether the key has a limit of its own; keys without are never counted. */
export function isLimited({ requestsPerMinute, tokensPerMinute }: ApiKey): boolean {
  return requestsPerMinute !== undefined || tokensPerMinute !== undefined
}

export class RateLimits {
  readonly #limiter: RateLimiter
  readonly #perAddress: number

  /** `perAddress` requests a minute for every address but loopback. */
  constructor({ limiter }: { readonly limiter: RateLimiter }, perAddress = limit('requestsPerMinutePerAddress')) {
    this.#limiter = limiter
    this.#perAddress = perAddress
  }

  /** Counts a request from `address`; undefined where the address is not counted, so that nothing waits. */
  countAddress(address: string): Promise<void> | undefined {
    if (isLoopback(address)) return undefined
    return this.#countAddress(addressGroupOf(address))
  }

  /** Takes one request of the key's limits; resolves to `x-ratelimit-*` headers. Refuses with `rate_limit_exceeded`. */
  async countRequest(key: ApiKey): Promise<readonly string[]> {
    if (!isLimited(key)) return NO_HEADERS
    const tokens = await this.#peekTokens(key)
    const requests = await this.#takeRequest(key, tokens)
    return headersOf(requests, tokens)
  }

  /** Takes tokens after an answer whatever is left; the next request is refused where that was too many. */
  async chargeTokens({ id, tokensPerMinute }: ApiKey, tokens: number): Promise<void> {
    if (tokensPerMinute !== undefined && tokens > 0) await this.#limiter.charge(`tokens ${id}`, tokensPerMinute, tokens)
  }

  /** Counts a wrong key; refuses the address once it has none left. */
  async countGuess(address: string): Promise<void> {
    const verdict = await this.#limiter.consume(guessesOf(address), limit('wrongKeysPerMinute'), 1)
    if (!verdict.allowed) throw tooManyGuesses(verdict)
  }

  async #countAddress(group: string): Promise<void> {
    const verdict = await this.#limiter.consume(`address ${group}`, this.#perAddress, 1)
    if (!verdict.allowed)
      throw exceeded(`this address may make ${verdict.limit} requests a minute`, 'requests', verdict)
  }

  async #peekTokens({ id, tokensPerMinute }: ApiKey): Promise<RateVerdict | undefined> {
    if (tokensPerMinute === undefined) return undefined
    const verdict = await this.#limiter.peek(`tokens ${id}`, tokensPerMinute)
    if (verdict.allowed) return verdict
    throw exceeded(
      `this key may use ${verdict.limit} tokens a minute`,
      'tokens',
      verdict,
      headersOf(undefined, verdict),
    )
  }

  async #takeRequest(
    { id, requestsPerMinute }: ApiKey,
    tokens: RateVerdict | undefined,
  ): Promise<RateVerdict | undefined> {
    if (requestsPerMinute === undefined) return undefined
    const verdict = await this.#limiter.consume(`requests ${id}`, requestsPerMinute, 1)
    if (verdict.allowed) return verdict
    const headers = headersOf(verdict, tokens)
    throw exceeded(`this key may make ${verdict.limit} requests a minute`, 'requests', verdict, headers)
  }
}

/** Milliseconds as OpenAI writes them in `x-ratelimit-reset-*`: `120ms`, `6s`, `6m0s`, `1h0m0s`. */
export function resetText(ms: number): string {
  if (ms < 1_000) return ms <= 0 ? '0s' : `${Math.ceil(ms)}ms`
  const seconds = Math.ceil(ms / 1_000)
  const minutes = Math.floor(seconds / 60)
  if (minutes === 0) return `${seconds}s`
  const hours = Math.floor(minutes / 60)
  return `${hours === 0 ? '' : `${hours}h`}${minutes % 60}m${seconds % 60}s`
}

function headersOf(requests: RateVerdict | undefined, tokens: RateVerdict | undefined): readonly string[] {
  const headers: string[] = []
  for (const [what, verdict] of [
    ['requests', requests],
    ['tokens', tokens],
  ] as const) {
    if (verdict === undefined) continue
    headers.push(`x-ratelimit-limit-${what}`, String(verdict.limit))
    headers.push(`x-ratelimit-remaining-${what}`, String(verdict.remaining))
    headers.push(`x-ratelimit-reset-${what}`, resetText(verdict.resetMs))
  }
  return headers
}

function guessesOf(address: string): string {
  return `guesses ${addressGroupOf(address)}`
}

function tooManyGuesses(verdict: RateVerdict): HeddleError {
  return exceeded('too many wrong API keys from this address', 'wrong_keys', verdict)
}

function exceeded(
  message: string,
  what: 'requests' | 'tokens' | 'wrong_keys',
  { limit: most, resetMs }: RateVerdict,
  headers: readonly string[] = NO_HEADERS,
): HeddleError {
  return new HeddleError('rate_limit_exceeded', `${message}; try again in ${resetText(resetMs)}`, {
    retryAfterMs: resetMs,
    headers,
    metadata: { limited: what, limit: most, reset_ms: Math.ceil(resetMs) },
  })
}
