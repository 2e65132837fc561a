/** Whether the peer still lives: pings at intervals, and what comes back. */
import { HeddleError } from '../errors.ts'
import { limit } from '../limits.ts'
import type { CancelSignal } from './cancel-signal.ts'

interface Ping {
  readonly token: number
  readonly sentAt: number
  readonly resolve: (rttMs: number) => void
  readonly reject: (error: unknown) => void
}

/** Pings without an answer that are remembered; asking more often than that answers nothing sooner. */
const REMEMBERED = 16

export class Heartbeat {
  readonly #sendPing: (token: number) => void
  #lastSentAt: number
  #token = 0
  #isHeard = true
  #missed = 0
  #waiting: Ping[] = []
  #rttMs: number | undefined
  #failure: HeddleError | undefined

  constructor(sendPing: (token: number) => void, now: number) {
    this.#sendPing = sendPing
    this.#lastSentAt = now
  }

  /** Of the last ping that was answered. */
  get rttMs(): number | undefined {
    return this.#rttMs
  }

  /** A whole frame came: as good as a pong. */
  heard(): void {
    this.#isHeard = true
  }

  /** A pong answers its ping and every one before it. */
  pong(token: number, now: number): void {
    const answered = this.#waiting.filter((ping) => ping.token <= token)
    this.#waiting = this.#waiting.filter((ping) => ping.token > token)
    const newest = answered.at(-1)
    if (newest !== undefined) this.#rttMs = now - newest.sentAt
    for (const ping of answered) ping.resolve(now - ping.sentAt)
  }

  /** Pings now; resolves with the milliseconds until the answer. */
  ask(now: number, signal: CancelSignal): Promise<number> {
    if (signal.aborted) return Promise.reject(signal.reason)
    if (this.#failure !== undefined) return Promise.reject(this.#failure)
    const { promise, resolve, reject } = Promise.withResolvers<number>()
    const onAbort = (): void => reject(signal.reason)
    signal.addEventListener('abort', onAbort)
    this.#send({ token: this.#token + 1, sentAt: now, resolve, reject })
    return promise.finally(() => signal.removeEventListener('abort', onAbort))
  }

  /** No pong comes any more. */
  fail(error: HeddleError): void {
    this.#failure = error
    for (const ping of this.#waiting) ping.reject(error)
    this.#waiting = []
  }

  /** To be called every `meshTickMs`. */
  tick(now: number): 'alive' | 'pinged' | 'dead' {
    if (now - this.#lastSentAt < limit('meshPingMs')) return 'alive'
    this.#missed = this.#isHeard ? 0 : this.#missed + 1
    if (this.#missed >= limit('meshMissedPings')) return 'dead'
    this.#isHeard = false
    this.#lastSentAt = now
    this.ping(now)
    return 'pinged'
  }

  /** Pings now; nobody waits for the answer. */
  ping(now: number): void {
    this.#send({ token: this.#token + 1, sentAt: now, resolve: nothing, reject: nothing })
  }

  #send(ping: Ping): void {
    this.#token = ping.token
    this.#waiting.push(ping)
    if (this.#waiting.length > REMEMBERED)
      this.#waiting.shift()?.reject(new HeddleError('timeout', 'too many pings wait'))
    this.#sendPing(ping.token)
  }
}

function nothing(): void {}
