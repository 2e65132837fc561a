/** Which addresses are downloaded from, and which redirects are followed. */
import { HeddleError } from '../../core/errors.ts'

/** Parses an address; credentials in it are refused, because addresses are shown and noted. */
export function parseAddress(address: string): URL {
  const url = URL.canParse(address) ? new URL(address) : undefined
  if (url === undefined || (url.protocol !== 'http:' && url.protocol !== 'https:')) {
    throw new HeddleError('download_failed', 'not an http or https address', { shouldRetry: false })
  }
  if (url.username !== '' || url.password !== '')
    throw failed(url, 'an address with a password in it is refused', false)
  return url
}

/** Where a redirect leads; never from https to http, where anybody on the way could change the file. */
export function redirectOf(from: URL, location: string | undefined): URL {
  if (location === undefined || !URL.canParse(location, from.href)) throw failed(from, 'it redirects to nowhere', false)
  const to = parseAddress(new URL(location, from).href)
  if (from.protocol === 'https:' && to.protocol === 'http:')
    throw failed(from, 'it redirects from https to http', false)
  return to
}

/** The failure of one address, shown without its query, which may hold a signature. */
export function failed(url: URL, why: string, shouldRetry: boolean, cause?: unknown): HeddleError {
  return new HeddleError('download_failed', `cannot download ${url.origin}${url.pathname}: ${why}`, {
    cause,
    shouldRetry,
  })
}
