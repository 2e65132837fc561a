/** Writes the `data:` events of one answer; what comes close together shares one write, and text of one choice one event. */
import type { ServerResponse } from 'node:http'
import { limit } from '../../../../core/limits.ts'
import type { TokenLogprob } from './logprobs.ts'

/**
 * The least time between two writes. What comes after a longer silence goes out at once, so nothing is delayed that a person
 * could see, and a model that makes a token every millisecond costs everyone on the way a quarter of the work.
 */
const WRITE_GAP_MS = 10

/** Text of one choice that waits to be written. */
interface WaitingText {
  text: string
  readonly tokens: TokenLogprob[]
  readonly encode: (text: string, tokens: readonly TokenLogprob[]) => string
}

export class EventStream {
  readonly #response: ServerResponse
  #waiting: (string | WaitingText)[] = []
  /** What waits of each choice, where nothing else came after it. */
  readonly #growing = new Map<number, WaitingText>()
  /** A write is scheduled, or the gap after one is running. */
  #held = false

  constructor(response: ServerResponse) {
    this.#response = response
  }

  /** Whether the status has been sent, after which an error can only be an event. */
  get begun(): boolean {
    return this.#response.headersSent
  }

  /** Adds one event, after all that came before. */
  push(json: string): void {
    this.#growing.clear()
    this.#waiting.push(json)
    this.#schedule()
  }

  /**
   * Adds text of a choice. A promise asks to wait until the reader has taken enough; it never rejects.
   * @param encode makes the event of all the text that is written together
   */
  pushText(
    choice: number,
    text: string,
    tokens: readonly TokenLogprob[],
    encode: WaitingText['encode'],
  ): Promise<void> | undefined {
    const growing = this.#growing.get(choice)
    if (growing === undefined) {
      const waiting: WaitingText = { text, tokens: [...tokens], encode }
      this.#growing.set(choice, waiting)
      this.#waiting.push(waiting)
      this.#schedule()
    } else {
      growing.text += text
      growing.tokens.push(...tokens)
    }
    return this.#response.writableLength > limit('engineUnsentBytes') ? this.#drained() : undefined
  }

  /** Ends a stream that is complete. */
  done(): void {
    this.push('[DONE]')
    this.end()
  }

  end(): void {
    this.#response.end(this.#take())
  }

  #schedule(): void {
    if (!this.begun) {
      this.#response.writeHead(200, {
        'content-type': 'text/event-stream; charset=utf-8',
        'cache-control': 'no-cache',
        'x-accel-buffering': 'no',
      })
    }
    if (this.#held) return
    this.#held = true
    setImmediate(() => this.#flush())
  }

  #take(): string {
    let bytes = ''
    for (const event of this.#waiting) {
      bytes += `data: ${typeof event === 'string' ? event : event.encode(event.text, event.tokens)}\n\n`
    }
    this.#waiting = []
    this.#growing.clear()
    return bytes
  }

  /** Writes what waits, and looks again after the gap; with nothing to write, the next event goes out at once. */
  #flush(): void {
    if (this.#waiting.length === 0 || this.#response.destroyed) {
      this.#held = false
      return
    }
    this.#response.write(this.#take())
    setTimeout(() => this.#flush(), WRITE_GAP_MS)
  }

  #drained(): Promise<void> {
    return new Promise((resolve) => {
      const go = (): void => {
        this.#response.off('drain', go)
        this.#response.off('close', go)
        resolve()
      }
      this.#response.once('drain', go)
      this.#response.once('close', go)
    })
  }
}
