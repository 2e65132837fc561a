/** What makes a request unacceptable whatever it asks for, as far as Node's parser lets it through. */
import type { IncomingMessage } from 'node:http'
import { HeddleError } from '../core/errors.ts'
import { limit } from '../core/limits.ts'

/** The refusal of a request that is too large or not valid HTTP/1.1; undefined where it is fine. */
export function requestFault(request: IncomingMessage): HeddleError | undefined {
  const { rawHeaders, httpVersion, url = '/' } = request
  if (url.length > limit('urlBytes')) {
    return new HeddleError('uri_too_long', `the URL is longer than ${limit('urlBytes')} bytes`)
  }
  if (rawHeaders.length > limit('headerFields') * 2) {
    return new HeddleError('headers_too_large', `more than ${limit('headerFields')} header fields`)
  }
  if (httpVersion !== '1.1' && httpVersion !== '1.0') {
    return new HeddleError('invalid_request', 'this node speaks HTTP/1.1 and HTTP/1.0')
  }
  const hosts = hostFields(rawHeaders)
  // RFC 9112 §3.2: a request with no or two Host fields is refused, since others may read it differently.
  if (hosts > 1 || (hosts === 0 && httpVersion === '1.1')) {
    return new HeddleError('invalid_request', 'a request must have one Host header')
  }
  return undefined
}

/** How many Host fields there are; Node keeps only the first. */
function hostFields(rawHeaders: readonly string[]): number {
  let count = 0
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = rawHeaders[index] as string
    if (name.length === 4 && name.toLowerCase() === 'host') count += 1
  }
  return count
}
