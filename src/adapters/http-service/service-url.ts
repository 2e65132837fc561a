/** Where a generic HTTP service is: the URL that its operator gave, taken apart. */
import { HeddleError } from '../../core/errors.ts'

export interface ServiceUrl {
  /** Scheme, host and port. */
  readonly origin: string
  /** Put before the path of each request; empty or `/something` without a trailing slash. */
  readonly pathPrefix: string
  /** Origin and prefix, for people. */
  readonly text: string
}

const EXAMPLE = 'http://127.0.0.1:9000'
const MOST_CHARACTERS = 2_048

/**
 * Any host that the operator names will do, also of this machine or its inner network.
 * @throws HeddleError `invalid_request`; it never repeats the URL, which may hold a password
 */
export function parseServiceUrl(text: string): ServiceUrl {
  const trimmed = text.trim()
  const url = trimmed.length > MOST_CHARACTERS ? null : URL.parse(trimmed)
  if (url === null || (url.protocol !== 'http:' && url.protocol !== 'https:') || url.hostname === '')
    throw invalid('a service needs an http:// or https:// URL')
  if (url.username !== '' || url.password !== '')
    throw invalid('the URL of a service must not carry credentials: they would show up wherever the URL does')
  if (url.search !== '' || url.hash !== '') throw invalid('the URL of a service must have no query and no fragment')
  // The wildcard address of a server is reached on loopback.
  if (url.hostname === '0.0.0.0') url.hostname = '127.0.0.1'
  else if (url.hostname === '[::]') url.hostname = '[::1]'
  const pathPrefix = url.pathname.replace(/\/{2,}/g, '/').replace(/\/$/, '')
  return { origin: url.origin, pathPrefix, text: url.origin + pathPrefix }
}

function invalid(message: string): HeddleError {
  return new HeddleError('invalid_request', message, { param: 'url', fix: `write it like ${EXAMPLE}` })
}
