/** Writes log lines to a file descriptor in the background: what nobody reads is lost, never waited for. */
import { write, writeSync } from 'node:fs'
import { limit } from '../../core/limits.ts'

/** How long a full pipe rests before it is tried again. */
const RETRY_MS = 20
/** How long the end of the process waits for a slow reader. */
const FLUSH_MS = 1_000
/** Long enough for a write on another thread to finish. */
const SETTLE_MS = 5
const CHUNK_CHARACTERS = 256 * 1024

export class LineSink {
  readonly #descriptor: number
  readonly #mostWaiting = limit('logUnwrittenBytes')
  #waiting = ''
  /** The bytes on their way, written in the background. */
  #sending: Buffer | undefined
  #broken = false

  constructor(descriptor: number) {
    this.#descriptor = descriptor
  }

  write(line: string): void {
    if (this.#broken || this.#waiting.length + line.length > this.#mostWaiting) return
    this.#waiting += line
    if (this.#sending === undefined) this.#next()
  }

  /** Writes what waits, at once; gives up on a reader that has gone or takes nothing for a second. */
  flush(): void {
    if (this.#broken) return
    if (this.#sending !== undefined) pause(SETTLE_MS)
    let rest = Buffer.from(this.#waiting)
    this.#waiting = ''
    for (let waitedMs = 0; rest.length > 0 && waitedMs < FLUSH_MS; ) {
      try {
        rest = rest.subarray(writeSync(this.#descriptor, rest))
      } catch (error) {
        if (!mayRetry(error)) return this.#break()
        pause(RETRY_MS)
        waitedMs += RETRY_MS
      }
    }
  }

  #next(): void {
    if (this.#waiting === '') return
    this.#sending = Buffer.from(this.#waiting.slice(0, CHUNK_CHARACTERS))
    this.#waiting = this.#waiting.slice(CHUNK_CHARACTERS)
    this.#send()
  }

  #send(): void {
    const bytes = this.#sending
    if (bytes === undefined) return
    write(this.#descriptor, bytes, (error, written) => {
      if (error !== null && !mayRetry(error)) return this.#break()
      if (error !== null) return void setTimeout(() => this.#send(), RETRY_MS).unref()
      this.#sending = written < bytes.length ? bytes.subarray(written) : undefined
      if (this.#sending === undefined) this.#next()
      else this.#send()
    })
  }

  /** Closed, or its reader is gone: there is nowhere left to say so. */
  #break(): void {
    this.#broken = true
    this.#waiting = ''
    this.#sending = undefined
  }
}

function mayRetry(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException
  return code === 'EAGAIN' || code === 'EBUSY' || code === 'EINTR'
}

/** Stops this thread, and it alone. */
function pause(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms)
}
