/** A client that is nothing but a TCP socket, for requests that no well-behaved client would send. */
import { connect, type Socket } from 'node:net'
import { waitUntil } from './wait-until.ts'

export interface RawSocket extends Disposable {
  write(data: string | Uint8Array): void
  /** Sends FIN; what comes back is still read. */
  finish(): void
  /** All that came so far, as latin1. */
  received(): string
  /** Whether the server has sent FIN. */
  ended(): boolean
  /** Whether the socket is gone: both sides are done, or it was reset. */
  closed(): boolean
  /** The system's code of the error that broke the socket, e.g. `ECONNRESET`. */
  errorCode(): string | undefined
  /** Resolves with all that came once `isEnough`; fails after `timeoutMs`. */
  until(isEnough: (text: string) => boolean, timeoutMs?: number): Promise<string>
  /** Resolves with all that came once the server has closed its side; fails after `timeoutMs`. */
  untilEnded(timeoutMs?: number): Promise<string>
  pause(): void
  readonly socket: Socket
}

const PATIENCE_MS = 10_000

/** The client's own side stays open until `finish` or disposal, as an attacker's would. */
export async function openRawSocket(url: string): Promise<RawSocket> {
  const { hostname, port } = new URL(url)
  const socket = connect({
    host: hostname.replace(/^\[|\]$/g, ''),
    port: Number(port),
    allowHalfOpen: true,
    noDelay: true,
  })
  const chunks: Buffer[] = []
  let ended = false
  let errorCode: string | undefined
  socket.on('data', (chunk: Buffer) => chunks.push(chunk))
  socket.on('end', () => (ended = true))
  socket.on('error', (error: NodeJS.ErrnoException) => (errorCode = error.code ?? error.message))
  const received = (): string => Buffer.concat(chunks).toString('latin1')
  const closed = (): boolean => socket.closed
  await waitUntil(() => !socket.connecting, 'a connection', PATIENCE_MS)
  return {
    socket,
    write: (data) => void socket.write(data),
    finish: () => void socket.end(),
    received,
    ended: () => ended,
    closed,
    errorCode: () => errorCode,
    pause: () => void socket.pause(),
    async until(isEnough, timeoutMs = PATIENCE_MS) {
      await waitUntil(() => isEnough(received()) || ended || closed(), 'an answer', timeoutMs)
      return received()
    },
    async untilEnded(timeoutMs = PATIENCE_MS) {
      await waitUntil(() => ended || closed(), 'the end of the connection', timeoutMs)
      return received()
    },
    [Symbol.dispose]: () => void socket.destroy(),
  }
}

/** Sends `data` and resolves with all that came until the server closed. */
export async function exchangeRaw(url: string, data: string | Uint8Array, timeoutMs = PATIENCE_MS): Promise<string> {
  using socket = await openRawSocket(url)
  socket.write(data)
  return await socket.untilEnded(timeoutMs)
}

/** The text of one request; `host`, and `content-length` where there is a body, are added unless they are given. */
export function requestText(
  method: string,
  path: string,
  headers: Readonly<Record<string, string>> = {},
  body = '',
): string {
  const fields: Record<string, string> = { host: '127.0.0.1', ...headers }
  if (body !== '' && fields['content-length'] === undefined && fields['transfer-encoding'] === undefined) {
    fields['content-length'] = String(Buffer.byteLength(body))
  }
  const lines = Object.entries(fields).map(([name, value]) => `${name}: ${value}\r\n`)
  return `${method} ${path} HTTP/1.1\r\n${lines.join('')}\r\n${body}`
}

export interface RawReply {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

/** The answers in what a socket received, in order; one that is not whole yet is left out. Throws where it is no HTTP. */
export function repliesIn(text: string): readonly RawReply[] {
  const replies: RawReply[] = []
  let at = 0
  while (at < text.length) {
    const headEnd = text.indexOf('\r\n\r\n', at)
    if (headEnd < 0) break
    const [statusLine = '', ...lines] = text.slice(at, headEnd).split('\r\n')
    const status = Number(/^HTTP\/1\.1 (\d{3}) /.exec(statusLine)?.[1])
    if (Number.isNaN(status)) throw new Error(`not an answer: ${statusLine.slice(0, 100)}`)
    const headers = Object.fromEntries(
      lines.map((line) => [line.slice(0, line.indexOf(':')).toLowerCase(), line.slice(line.indexOf(':') + 1).trim()]),
    )
    const found = bodyAt(text, headEnd + 4, headers)
    if (found === undefined) break
    at = found.end
    if (status >= 200) replies.push({ status, headers, body: found.body })
  }
  return replies
}

function bodyAt(
  text: string,
  start: number,
  headers: Readonly<Record<string, string>>,
): { readonly body: string; readonly end: number } | undefined {
  if (headers['transfer-encoding'] !== 'chunked') {
    const end = start + Number(headers['content-length'] ?? 0)
    return end > text.length ? undefined : { body: text.slice(start, end), end }
  }
  let body = ''
  for (let at = start; ; ) {
    const lineEnd = text.indexOf('\r\n', at)
    if (lineEnd < 0) return undefined
    const size = Number.parseInt(text.slice(at, lineEnd), 16)
    if (!/^[0-9a-f]+$/i.test(text.slice(at, lineEnd))) throw new Error(`not a chunk: ${text.slice(at, lineEnd)}`)
    const end = lineEnd + 2 + size
    if (end + 2 > text.length) return undefined
    if (size === 0) return { body, end: end + 2 }
    body += text.slice(lineEnd + 2, end)
    at = end + 2
  }
}

export interface ErrorShape {
  readonly message: string
  readonly type: string
  readonly param: string | null
  readonly code: string
  /** Empty where the error has none. */
  readonly metadata: Readonly<Record<string, unknown>>
}

/** The error in an answer's JSON body; throws where the body is not of OpenAI's form. */
export function errorIn(body: string): ErrorShape {
  const { error } = JSON.parse(body) as { readonly error?: Partial<ErrorShape> }
  if (typeof error?.message !== 'string' || typeof error.type !== 'string' || typeof error.code !== 'string') {
    throw new Error(`not an error of OpenAI's form: ${body.slice(0, 200)}`)
  }
  if (error.param !== null && typeof error.param !== 'string') throw new Error(`no param: ${body.slice(0, 200)}`)
  return { metadata: {}, ...error } as ErrorShape
}
