/** Which headers travel with a request to a service and back, and which stay where they are. */
import type { MessageHeaders } from '../message.ts'

/** RFC 9110 §7.6.1 and what proxies add to it; they speak of one connection only. */
const HOP_BY_HOP = [
  'connection',
  'keep-alive',
  'proxy-connection',
  'te',
  'trailer',
  'trailers',
  'transfer-encoding',
  'upgrade',
  'http2-settings',
] as const

/** They are for this node, not for whom it asks. */
const CREDENTIALS = [
  'authorization',
  'proxy-authorization',
  'proxy-authenticate',
  'cookie',
  'cookie2',
  'x-api-key',
  'api-key',
] as const

/** What a client could claim of the way here; `host` is the service's own. */
const CLAIMS = ['host', 'forwarded', 'via', 'x-real-ip', 'expect', 'origin', 'referer'] as const

/** What only the gateway says to its client: cookies and policies of its own origin. */
const OF_THE_GATEWAY = [
  'set-cookie',
  'set-cookie2',
  'proxy-authenticate',
  'strict-transport-security',
  'alt-svc',
  'clear-site-data',
  'service-worker-allowed',
  'content-security-policy',
  'content-security-policy-report-only',
  'x-request-id',
  'x-computing-node',
  'date',
  'server',
  'via',
] as const

const NOT_SENT: ReadonlySet<string> = new Set([...HOP_BY_HOP, ...CREDENTIALS, ...CLAIMS])
const NOT_RETURNED: ReadonlySet<string> = new Set([...HOP_BY_HOP, ...OF_THE_GATEWAY])
/** Ours, and those by which a proxy speaks for a client. */
const NOT_SENT_PREFIX = /^(heddle-|x-heddle-|x-otela-|x-forwarded-|sec-|proxy-)/
const NOT_RETURNED_PREFIX = /^(heddle-|x-heddle-|x-otela-|access-control-|proxy-)/

/** The headers of a request that its service gets; names are lower case. */
export function headersForService(headers: MessageHeaders): MessageHeaders {
  return without(headers, NOT_SENT, NOT_SENT_PREFIX)
}

/** The headers of an answer that its client gets. */
export function headersFromService(headers: MessageHeaders): MessageHeaders {
  return without(headers, NOT_RETURNED, NOT_RETURNED_PREFIX)
}

function without(headers: MessageHeaders, names: ReadonlySet<string>, prefix: RegExp): MessageHeaders {
  const named = headers['connection']
  const kept: Record<string, string> = {}
  for (const name of Object.keys(headers)) {
    const value = headers[name]
    if (value === undefined || names.has(name) || prefix.test(name) || name.startsWith(':')) continue
    if (named !== undefined && isNamedIn(named, name)) continue
    kept[name] = value
  }
  return kept
}

function isNamedIn(connection: string, name: string): boolean {
  return connection
    .toLowerCase()
    .split(',')
    .some((token) => token.trim() === name)
}
