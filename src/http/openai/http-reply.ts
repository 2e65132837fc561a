/** A gateway's answer on its way out through a Node response. */
import type { ServerResponse } from 'node:http'
import type { HeaderPairs, Reply } from '../../gateway/inbound.ts'
import type { Clock } from '../../ports/clock.ts'
import { chunkOf, LAST_CHUNK } from '../chunks.ts'
import { untilDrained } from '../drained.ts'
import { answerUnread } from '../unread-body.ts'

/** `common` headers go out with every answer: the request id, CORS. */
export class HttpReply implements Reply {
  readonly #clock: Clock
  readonly #response: ServerResponse
  readonly #common: HeaderPairs
  /** Whether the body is chunked, and we write the frames. */
  #framing = false

  constructor({ clock }: { readonly clock: Clock }, response: ServerResponse, common: HeaderPairs) {
    this.#clock = clock
    this.#response = response
    this.#common = common
  }

  get started(): boolean {
    return this.#response.headersSent
  }

  whole(status: number, headers: HeaderPairs, body: Uint8Array): void {
    const response = this.#response
    if (response.destroyed) return
    const all = [...headers, ...this.#common, 'content-length', String(body.length)]
    if (!response.req.complete) {
      answerUnread({ clock: this.#clock }, response, status, all, body)
      return
    }
    response.writeHead(status, all)
    // As text, head and body leave in one write; bytes would go out in two. Latin-1 keeps every byte as it is.
    if (body.length > TEXT_BYTES) response.end(body)
    else response.end(Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString('latin1'), 'latin1')
  }

  head(status: number, headers: HeaderPairs): void {
    const response = this.#response
    if (response.destroyed) return
    response.writeHead(status, [...headers, ...this.#common])
    // Node frames each chunk in four writes; one of our own costs half the CPU of a stream.
    this.#framing = response.chunkedEncoding
    response.chunkedEncoding = false
  }

  write(bytes: Uint8Array): boolean {
    if (this.#response.destroyed) return true
    return this.#response.write(this.#framing ? chunkOf(bytes) : bytes)
  }

  drained(): Promise<void> {
    return untilDrained({ clock: this.#clock }, this.#response)
  }

  end(bytes: Uint8Array): void {
    if (this.#response.destroyed) return
    this.#response.end(this.#framing ? Buffer.concat([chunkOf(bytes), LAST_CHUNK]) : bytes)
  }
}

/** Larger bodies are not worth copying. */
const TEXT_BYTES = 16 * 1024
