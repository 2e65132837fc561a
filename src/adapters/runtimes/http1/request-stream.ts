/** Sends the body of a request as it comes, chunked (RFC 9112 §7.1), no faster than the socket takes it. */
import type { Socket } from 'node:net'
import type { MessageBody } from '../../../core/message.ts'

const LINE_END = '\r\n'
const LAST_CHUNK = Buffer.from('0\r\n\r\n')

/** The exchange whose request this is. */
export interface StreamOwner {
  /** We have nothing to send at the moment, and the server cannot answer yet. */
  awaitSource(): void
  /** The server has what there is to be sent: its time runs. */
  awaitAnswer(): void
  /** The source failed with `error`. */
  abandon(error: unknown): void
}

export class RequestStream {
  /** Whether the last chunk has been given to the socket. */
  isOver = false
  readonly #socket: Socket
  readonly #source: AsyncIterator<Uint8Array>
  readonly #exchange: StreamOwner
  #isStopped = false

  constructor(socket: Socket, body: MessageBody, exchange: StreamOwner) {
    this.#socket = socket
    this.#source = body[Symbol.asyncIterator]()
    this.#exchange = exchange
  }

  start(): void {
    this.#send().catch((error: unknown) => {
      if (!this.#isStopped) this.#exchange.abandon(error)
    })
  }

  /** The exchange is over, one way or the other: the source is let go. */
  stop(): void {
    if (this.#isStopped) return
    this.#isStopped = true
    // A source that fails while it is being closed has nobody left to tell.
    if (!this.isOver) this.#source.return?.().catch(() => undefined)
  }

  async #send(): Promise<void> {
    for (;;) {
      this.#exchange.awaitSource()
      const { done, value } = await this.#source.next()
      if (this.#isStopped) return
      if (done === true) break
      // An empty chunk would end the body.
      if (value.length === 0) continue
      this.#exchange.awaitAnswer()
      if (!this.#socket.write(chunkOf(value))) await this.#drained()
      if (this.#isStopped) return
    }
    this.isOver = true
    this.#socket.write(LAST_CHUNK)
    this.#exchange.awaitAnswer()
  }

  #drained(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    const done = (): void => {
      this.#socket.off('drain', done)
      this.#socket.off('close', done)
      resolve()
    }
    this.#socket.on('drain', done)
    this.#socket.on('close', done)
    return promise
  }
}

function chunkOf(content: Uint8Array): Buffer {
  const size = `${content.length.toString(16)}${LINE_END}`
  const chunk = Buffer.allocUnsafe(size.length + content.length + LINE_END.length)
  chunk.write(size, 'latin1')
  chunk.set(content, size.length)
  chunk.write(LINE_END, size.length + content.length, 'latin1')
  return chunk
}
