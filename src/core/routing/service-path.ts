/** Paths below a service: the one form in which they reach it, and those that never do (SSRF and traversal, T21). */
import { limit } from '../limits.ts'

export type ServicePath =
  | { readonly kind: 'ok'; readonly path: string }
  /** `reason` is for people and says nothing of the path's contents. */
  | { readonly kind: 'refused'; readonly reason: string }

const VISIBLE = /^[\x21-\x7e]*$/
/** A server may decode a path more than once. */
const DECODINGS = 3

/**
 * Path and query below a service, or why they are refused. Nothing is resolved or repaired: what two servers could read in two
 * ways is refused, so `..`, `.` and empty segments (plain, encoded, encoded again, or followed by `;…`), back slashes, control
 * characters, broken encodings, fragments and absolute forms do not pass. `%2F` in a segment passes where it hides none of these.
 */
export function parseServicePath(target: string): ServicePath {
  if (target.length > limit('urlBytes')) return refused('it is too long')
  if (!target.startsWith('/')) return refused('it does not begin with a slash')
  if (!VISIBLE.test(target)) return refused('it holds characters that must be percent-encoded')
  if (target.includes('#')) return refused('it has a fragment')
  const queryAt = target.indexOf('?')
  const path = queryAt < 0 ? target : target.slice(0, queryAt)
  if (path.includes('//')) return refused('it has an empty segment')
  const reason = faultOf(path)
  return reason === undefined ? { kind: 'ok', path: target } : refused(reason)
}

/** Whether the path (its query aside) is `prefix` or lies below it; no prefixes at all means any path. */
export function isBelowPrefix(target: string, prefixes: readonly string[]): boolean {
  if (prefixes.length === 0) return true
  const path = target.split('?', 1)[0] ?? ''
  return prefixes.some((prefix) => path === prefix || path.startsWith(prefix.endsWith('/') ? prefix : `${prefix}/`))
}

function faultOf(path: string): string | undefined {
  let text = path
  for (let round = 0; ; round += 1) {
    if (text.includes('\\')) return 'it holds a back slash'
    if (hasControl(text)) return 'it holds control characters'
    const segments = text.split('/').map((segment) => segment.split(';', 1)[0])
    if (segments.some((segment) => segment === '.' || segment === '..')) return 'it leaves its folder'
    if (round > 0 && text.includes('//')) return 'it has an empty segment'
    if (!text.includes('%')) return undefined
    if (round === DECODINGS) return 'it is encoded too often'
    const decoded = decoded1(text)
    // Only the first round must be whole: a `%` that was encoded may stand for itself.
    if (decoded === undefined) return round === 0 ? 'it is not percent-encoded correctly' : undefined
    text = decoded
  }
}

function decoded1(text: string): string | undefined {
  try {
    return decodeURIComponent(text)
  } catch {
    return undefined
  }
}

function hasControl(text: string): boolean {
  return /\p{Cc}/u.test(text)
}

function refused(reason: string): ServicePath {
  return { kind: 'refused', reason }
}
