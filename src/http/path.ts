/** Request targets in the one form that routing knows. */

const SLASH = 47
const ABSOLUTE = /^https?:\/\/([^/?#]*)/i

/**
 * The path and query of a raw request target: an absolute form loses its scheme and authority, doubled slashes become one,
 * a trailing slash goes. Only the path changes; percent-encodings stay as they are, so that `%2F` in a model id survives.
 */
export function normalisePath(url: string): string {
  const target = withoutAuthority(url)
  const queryAt = target.indexOf('?')
  const path = queryAt < 0 ? target : target.slice(0, queryAt)
  const ends = path.length > 1 && path.charCodeAt(path.length - 1) === SLASH
  if (!ends && path !== '' && !path.includes('//')) return target
  const single = path.replace(/\/{2,}/g, '/')
  const trimmed = single.length > 1 && single.endsWith('/') ? single.slice(0, -1) : single
  return (trimmed === '' ? '/' : trimmed) + (queryAt < 0 ? '' : target.slice(queryAt))
}

/** A raw request target that has lost its scheme and authority, where it had them. */
export function withoutAuthority(url: string): string {
  return url.charCodeAt(0) === SLASH ? url : url.replace(ABSOLUTE, '')
}

/** The path of a normalised target, without its query. */
export function pathOf(target: string): string {
  const queryAt = target.indexOf('?')
  return queryAt < 0 ? target : target.slice(0, queryAt)
}

/** The authority that an absolute-form target names, which counts before the Host header (RFC 9112 §3.2.2). */
export function authorityOf(url: string): string | undefined {
  return url.charCodeAt(0) === SLASH ? undefined : ABSOLUTE.exec(url)?.[1]
}
