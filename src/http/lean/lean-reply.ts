/** A gateway's answer written straight to a socket. */
import { STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'
import { HeddleError } from '../../core/errors.ts'
import { limit } from '../../core/limits.ts'
import type { HeaderPairs, Reply } from '../../gateway/inbound.ts'
import type { Clock } from '../../ports/clock.ts'
import { chunkOf, LAST_CHUNK } from '../chunks.ts'
import { untilDrained } from '../drained.ts'

export interface LeanReplyDeps {
  readonly clock: Clock
  /** The `date` header's value now. */
  readonly date: () => string
}

export interface LeanReplyOptions {
  /** Sent with every answer: the request id, CORS. */
  readonly common: HeaderPairs
  /** Whether the connection ends with this answer. */
  readonly isLast: boolean
}

/** Larger bodies are not worth copying into one write with their head. */
const TEXT_BYTES = 16 * 1024

export class LeanReply implements Reply {
  readonly #deps: LeanReplyDeps
  readonly #socket: Socket
  readonly #options: LeanReplyOptions
  #started = false

  constructor(deps: LeanReplyDeps, socket: Socket, options: LeanReplyOptions) {
    this.#deps = deps
    this.#socket = socket
    this.#options = options
  }

  get started(): boolean {
    return this.#started
  }

  whole(status: number, headers: HeaderPairs, body: Uint8Array): void {
    const head = this.#headOf(status, headers, `content-length: ${body.length}\r\n\r\n`)
    this.#started = true
    const bytes = Buffer.from(body.buffer, body.byteOffset, body.byteLength)
    // Latin-1 keeps every byte as it is, and one write costs half of two.
    if (bytes.length <= TEXT_BYTES) this.#socket.write(head + bytes.toString('latin1'), 'latin1')
    else {
      this.#socket.write(head, 'latin1')
      this.#socket.write(bytes)
    }
  }

  head(status: number, headers: HeaderPairs): void {
    const head = this.#headOf(status, headers, 'transfer-encoding: chunked\r\n\r\n')
    this.#started = true
    this.#socket.write(head, 'latin1')
  }

  write(bytes: Uint8Array): boolean {
    return this.#socket.destroyed || this.#socket.write(chunkOf(bytes))
  }

  drained(): Promise<void> {
    return untilDrained(this.#deps, this.#socket)
  }

  end(bytes: Uint8Array): void {
    if (!this.#socket.destroyed) this.#socket.write(Buffer.concat([chunkOf(bytes), LAST_CHUNK]))
  }

  #headOf(status: number, headers: HeaderPairs, framing: string): string {
    const { common, isLast } = this.#options
    let head = `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? 'Unknown'}\r\n${linesOf(headers)}${linesOf(common)}`
    head += isLast
      ? 'connection: close\r\n'
      : `connection: keep-alive\r\nkeep-alive: timeout=${limit('keepAliveMs') / 1000}\r\n`
    return `${head}date: ${this.#deps.date()}\r\n${framing}`
  }
}

function linesOf(pairs: HeaderPairs): string {
  let lines = ''
  for (let index = 0; index + 1 < pairs.length; index += 2) {
    const value = pairs[index + 1] as string
    // Nothing but what a field value may hold (RFC 9110 §5.5): a line break would begin another header.
    if (/[^\t\x20-\x7e\x80-\xff]/.test(value))
      throw new HeddleError('internal', 'a header value has a character that it may not have')
    lines += `${pairs[index]}: ${value}\r\n`
  }
  return lines
}
