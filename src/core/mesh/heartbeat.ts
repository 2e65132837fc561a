/** Whether the peer still lives: pings at intervals, and what comes back. */
import { limit } from '../limits.ts'

interface Ping {
  readonly token: number
  readonly sentAt: number
  readonly onPong: ((rttMs: number) => void) | undefined
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
    for (const ping of answered) ping.onPong?.(now - ping.sentAt)
  }

  ping(now: number, onPong?: (rttMs: number) => void): void {
    this.#token += 1
    this.#waiting.push({ token: this.#token, sentAt: now, onPong })
    if (this.#waiting.length > REMEMBERED) this.#waiting.shift()
    this.#sendPing(this.#token)
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
}
