/** Writes the `data:` events of one answer; events that come close together share one write. */
import type { ServerResponse } from 'node:http'
import { limit } from '../../../../core/limits.ts'

/**
 * The least time between two writes. An event after a longer silence goes out at once, so it delays nothing that a person
 * could see, while a model that makes a token every millisecond costs a quarter of the writes.
 */
const WRITE_GAP_MS = 4

export class EventStream {
  readonly #response: ServerResponse
  #waiting = ''
  /** A write is scheduled, or the gap after one is running. */
  #held = false

  constructor(response: ServerResponse) {
    this.#response = response
  }

  /** Whether the status has been sent, after which an error can only be an event. */
  get begun(): boolean {
    return this.#response.headersSent
  }

  /** Adds one event. A promise asks to wait until the reader has taken enough; it never rejects. */
  push(json: string): Promise<void> | undefined {
    if (!this.begun) {
      this.#response.writeHead(200, {
        'content-type': 'text/event-stream; charset=utf-8',
        'cache-control': 'no-cache',
        'x-accel-buffering': 'no',
      })
    }
    this.#waiting += `data: ${json}\n\n`
    if (!this.#held) {
      this.#held = true
      setImmediate(() => this.#flush())
    }
    return this.#response.writableLength > limit('engineUnsentBytes') ? this.#drained() : undefined
  }

  /** The last event of a stream that is complete. */
  done(): void {
    this.#waiting += 'data: [DONE]\n\n'
    this.end()
  }

  end(): void {
    this.#response.end(this.#waiting)
    this.#waiting = ''
  }

  /** Writes what waits, and looks again after the gap; with nothing to write, the next event goes out at once. */
  #flush(): void {
    if (this.#waiting === '' || this.#response.destroyed) {
      this.#held = false
      return
    }
    this.#response.write(this.#waiting)
    this.#waiting = ''
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
