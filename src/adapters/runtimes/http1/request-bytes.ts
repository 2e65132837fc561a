/** A request as the bytes of HTTP/1.1 (RFC 9112 §3): head and body in one buffer, so that sending it is one write. */
import { HeddleError } from '../../../core/errors.ts'
import type { MessageBody, MessageHeaders, MessageRequest } from '../../../core/message.ts'
import { FORWARDED_HEADERS } from '../upstream.ts'

export interface RequestBytes {
  readonly first: Buffer
  /** A large body, written after `first` rather than copied behind the head. */
  readonly rest: Uint8Array | undefined
  /** A body that comes in pieces, sent chunked after `first`. */
  readonly stream: MessageBody | undefined
  readonly isHead: boolean
}

/** Copying more than this costs more than a second write does. */
const COPIED_BYTES = 64 * 1024
/** A method or a name; a path; a value: what else could stand there would end the line or the request. */
const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/
const PATH = /^[\x21-\x7e\x80-\xff]+$/
const VALUE = /^[\t\x20-\x7e\x80-\xff]*$/
/** Fields that say where a request ends or what becomes of the connection are this file's alone. */
const OURS_ALONE = /^(host|connection|content-length|transfer-encoding|expect|upgrade|te|trailer|keep-alive)$/

/** `base` is the end of the request line and the `host` field. Throws `internal` for what cannot stand in a request. */
export function requestBytes(
  request: MessageRequest,
  {
    base,
    path,
    headers,
  }: { readonly base: string; readonly path: string; readonly headers: MessageHeaders | undefined },
): RequestBytes {
  const { method, body } = request
  if (!TOKEN.test(method) || method === 'CONNECT' || !PATH.test(path)) throw malformed()
  let head = `${method} ${path}${base}`
  for (const name of FORWARDED_HEADERS) {
    const value = request.headers[name]
    if (value !== undefined && headers?.[name] === undefined) head += field(name, value)
  }
  if (headers !== undefined) {
    for (const name in headers) {
      if (!TOKEN.test(name) || OURS_ALONE.test(name)) throw malformed()
      head += field(name, headers[name] as string)
    }
  }
  const isHead = method === 'HEAD'
  if (body === undefined) {
    const length = method === 'POST' || method === 'PUT' || method === 'PATCH' ? 'content-length: 0\r\n' : ''
    return { first: Buffer.from(`${head}${length}\r\n`, 'latin1'), rest: undefined, stream: undefined, isHead }
  }
  if (!(body instanceof Uint8Array)) {
    const first = Buffer.from(`${head}transfer-encoding: chunked\r\n\r\n`, 'latin1')
    return { first, rest: undefined, stream: body, isHead }
  }
  head += `content-length: ${body.length}\r\n\r\n`
  if (body.length > COPIED_BYTES) return { first: Buffer.from(head, 'latin1'), rest: body, stream: undefined, isHead }
  const first = Buffer.allocUnsafe(head.length + body.length)
  first.write(head, 'latin1')
  first.set(body, head.length)
  return { first, rest: undefined, stream: undefined, isHead }
}

function field(name: string, value: string): string {
  if (!VALUE.test(value)) throw malformed()
  return `${name}: ${value}\r\n`
}

function malformed(): HeddleError {
  return new HeddleError('internal', 'the request for the runtime is malformed')
}
