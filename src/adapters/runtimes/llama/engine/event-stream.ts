/** Writes the `data:` events of one answer; events of one turn of the event loop share one write. */
import type { ServerResponse } from 'node:http'
import { limit } from '../../../../core/limits.ts'

export class EventStream {
  readonly #response: ServerResponse
  #waiting = ''
  #scheduled = false

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
      this.#response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8', 'cache-control': 'no-cache', 'x-accel-buffering': 'no' })
    }
    this.#waiting += `data: ${json}\n\n`
    if (!this.#scheduled) {
      this.#scheduled = true
      setImmediate(() => this.#flush())
    }
    return this.#response.writableLength > limit('channelBytes') ? this.#drained() : undefined
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

  #flush(): void {
    this.#scheduled = false
    if (this.#waiting === '' || this.#response.destroyed) return
    this.#response.write(this.#waiting)
    this.#waiting = ''
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
