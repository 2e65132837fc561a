/** A libp2p stream as Node's streams see a socket, so that `node:http` speaks HTTP/1.1 over it, each side at the other's pace. */
import { Duplex } from 'node:stream'
import type { Stream } from '@libp2p/interface'
import type { NodeId } from '../../core/ids.ts'
import { limit } from '../../core/limits.ts'

/** Owns the stream. A half-closed stream lives on: who has sent its request may close its side and still read the answer. */
export class Http1Duplex extends Duplex {
  /** What OCF's servers see as the address of a caller. */
  readonly remoteAddress: NodeId
  readonly #stream: Stream
  /** Whether what was paused is being delivered: libp2p forgets a pause that falls into that. */
  #isResuming = false
  #isFull = false
  #idleMs = 0
  #idleTimer: NodeJS.Timeout | undefined

  constructor(stream: Stream, peer: NodeId) {
    super({ allowHalfOpen: true, readableHighWaterMark: limit('channelBytes') })
    this.remoteAddress = peer
    this.#stream = stream
    stream.addEventListener('message', ({ data }) => this.#received(data.subarray()))
    stream.addEventListener('end', () => this.push(null))
    stream.addEventListener('close', ({ error }) => {
      if (error !== undefined) this.destroy(error)
      // What is still paused comes before the end.
      else if (stream.readBufferLength === 0) this.push(null)
    })
    if (stream.readableEnded) this.push(null)
  }

  override _read(): void {
    const stream = this.#stream
    this.#isFull = false
    if (stream.readStatus !== 'paused') return
    this.#isResuming = true
    stream.resume()
    this.#isResuming = false
    if (this.#isFull) this.#pause()
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    this.#moved()
    try {
      this.#stream.send(chunk)
    } catch (error) {
      done(error instanceof Error ? error : new Error('the stream is closed', { cause: error }))
      return
    }
    if (this.#hasRoom()) done()
    else this.#whenRoom(done)
  }

  override _writev(
    chunks: { readonly chunk: Buffer; readonly encoding: BufferEncoding }[],
    done: (error?: Error | null) => void,
  ): void {
    const [first, ...rest] = chunks
    if (first === undefined) done()
    else this._write(rest.length === 0 ? first.chunk : Buffer.concat(chunks.map(({ chunk }) => chunk)), 'binary', done)
  }

  override _final(done: (error?: Error | null) => void): void {
    void this.#close(done)
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    clearTimeout(this.#idleTimer)
    const stream = this.#stream
    if (error !== null || !this.writableFinished) stream.abort(error ?? new Error('the stream is no longer wanted'))
    // All was said: a reset could cost the peer the end of it. It closes its side, or loses the stream.
    else if (stream.status === 'open' || stream.status === 'closing') this.#linger()
    done(error)
  }

  /** As a socket's: `timeout` is emitted after `ms` in which nothing moved; 0 ends that. */
  setTimeout(ms: number, listener?: () => void): this {
    if (listener !== undefined) this.once('timeout', listener)
    clearTimeout(this.#idleTimer)
    this.#idleMs = ms
    this.#idleTimer = ms === 0 ? undefined : setTimeout(() => this.emit('timeout'), ms).unref()
    return this
  }

  get timeout(): number {
    return this.#idleMs
  }

  setKeepAlive(): this {
    return this
  }

  setNoDelay(): this {
    return this
  }

  ref(): this {
    return this
  }

  unref(): this {
    return this
  }

  /** As a socket's: ends when all that was written has left. */
  destroySoon(): void {
    if (this.writable) this.end()
    if (this.writableFinished) this.destroy()
    else this.once('finish', () => this.destroy())
  }

  async #close(done: (error?: Error | null) => void): Promise<void> {
    const failure = await this.#stream.close().catch((error: unknown) => error)
    done(
      failure === undefined || failure instanceof Error
        ? failure
        : new Error('the stream is closed', { cause: failure }),
    )
  }

  #received(bytes: Uint8Array): void {
    this.#moved()
    if (this.push(bytes)) return
    this.#isFull = true
    if (!this.#isResuming) this.#pause()
  }

  #pause(): void {
    const { readStatus } = this.#stream
    if (readStatus === 'readable') this.#stream.pause()
  }

  #hasRoom(): boolean {
    return this.#stream.writeBufferLength <= limit('channelBytes')
  }

  /** `onDrain()` is not used: once resolved it stays so, and holds no writer back any more. */
  #whenRoom(done: () => void): void {
    const stream = this.#stream
    let isWaiting = true
    const stop = (): void => {
      isWaiting = false
      stream.removeEventListener('drain', onRoom)
      stream.removeEventListener('idle', onRoom)
      stream.removeEventListener('close', stop)
    }
    const look = (): void => {
      if (!isWaiting || !this.#hasRoom()) return
      stop()
      done()
    }
    // The stream goes on sending in a microtask after `drain`.
    const onRoom = (): void => void setImmediate(look)
    stream.addEventListener('drain', onRoom)
    stream.addEventListener('idle', onRoom)
    stream.addEventListener('close', stop)
  }

  #moved(): void {
    this.#idleTimer?.refresh()
  }

  #linger(): void {
    const stream = this.#stream
    if (stream.readStatus === 'paused') stream.resume()
    const timer = setTimeout(
      () => stream.abort(new Error('the peer did not close its side')),
      limit('lingerMs'),
    ).unref()
    stream.addEventListener('close', () => clearTimeout(timer))
  }
}
