/** The one form of request that is read without Node's parser: a small inference request that came whole, in plain HTTP/1.1. */
import { limit } from '../../core/limits.ts'
import type { Endpoint } from '../../core/routing/candidate.ts'
import { endpointAt } from '../openai/inference.ts'

export interface LeanRequest {
  readonly endpoint: Endpoint
  readonly path: string
  /** Lower-case names; no name came twice. */
  readonly headers: Readonly<Record<string, string>>
  readonly body: Buffer
}

const HEAD_END = Buffer.from('\r\n\r\n')
const METHOD = 'POST '
const VERSION = ' HTTP/1.1'
/** A field line of RFC 9112 §5 without any control character, so that no stray CR or LF passes. */
const FIELD =
  /^([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*((?:[\x21-\x7e\x80-\xff](?:[\t\x20-\x7e\x80-\xff]*[\x21-\x7e\x80-\xff])?)?)[ \t]*$/
/** Whatever these say, Node's own server knows how to do it. */
const NOT_OURS: ReadonlySet<string> = new Set([
  'transfer-encoding',
  'expect',
  'upgrade',
  'trailer',
  'te',
  'http2-settings',
])

/**
 * `bytes` are all that came so far on an idle connection. Undefined for anything in the least unusual (another method or path, a part
 * of a request, more than one, a field twice, any doubt about its length): Node's server then gets the same bytes and judges them.
 */
export function leanRequestOf(bytes: Buffer): LeanRequest | undefined {
  const headEnd = bytes.indexOf(HEAD_END)
  if (headEnd < 0 || headEnd > limit('headerBytes') / 2) return undefined
  const [first = '', ...lines] = bytes.toString('latin1', 0, headEnd).split('\r\n')
  if (!first.startsWith(METHOD) || !first.endsWith(VERSION) || lines.length > limit('headerFields')) return undefined
  const path = first.slice(METHOD.length, -VERSION.length)
  const endpoint = endpointAt(path)
  if (endpoint === undefined) return undefined
  const headers = headersOf(lines)
  if (headers === undefined || headers['host'] === undefined) return undefined
  const { connection } = headers
  if (connection !== undefined && connection.toLowerCase() !== 'keep-alive') return undefined
  const length = headers['content-length']
  const bodyAt = headEnd + HEAD_END.length
  if (length === undefined || !/^\d{1,8}$/.test(length) || bodyAt + Number(length) !== bytes.length) return undefined
  return { endpoint, path, headers, body: bytes.subarray(bodyAt) }
}

function headersOf(lines: readonly string[]): Readonly<Record<string, string>> | undefined {
  const headers: Record<string, string> = Object.create(null)
  for (const line of lines) {
    const match = FIELD.exec(line)
    if (match === null) return undefined
    const name = (match[1] as string).toLowerCase()
    if (headers[name] !== undefined || NOT_OURS.has(name)) return undefined
    headers[name] = match[2] as string
  }
  return headers
}
