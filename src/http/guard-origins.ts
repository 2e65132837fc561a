/** Which browser origins may call. */

export interface OriginRules {
  /** Whether the page came from the very host and port that it calls. */
  sameOrigin(origin: string, host: string | undefined): boolean
  /** Whether the list has it, patterns included. */
  listed(origin: string): boolean
  /** Whether the list has exactly it: a pattern such as `http://localhost:*` lets any local page in, which is too many for administration. */
  named(origin: string): boolean
}

/** `*` alone is every origin; elsewhere it stands for any text without a slash, and `:*` at the end for any port or none. */
export function compileOrigins(list: readonly string[]): OriginRules {
  const exact = new Set(
    list.filter((entry) => !entry.includes('*')).map((entry) => entry.toLowerCase().replace(/\/$/, '')),
  )
  const patterns = list.filter((entry) => entry.includes('*')).map(patternOf)
  const named = (origin: string): boolean => exact.has(origin.toLowerCase())
  return {
    named,
    listed: (origin) => named(origin) || patterns.some((pattern) => pattern.test(origin)),
    sameOrigin: (origin, host) => {
      const match = /^https?:\/\/([^/]+)$/i.exec(origin)
      return host !== undefined && match?.[1]?.toLowerCase() === host.toLowerCase()
    },
  }
}

function patternOf(entry: string): RegExp {
  // `null` is the origin of sandboxed frames and files: anybody's.
  if (entry === '*') return /^(?!null$).+$/s
  const anyPort = entry.endsWith(':*')
  const body = (anyPort ? entry.slice(0, -2) : entry).split('*').map(escapeRegExp).join('[^/]*')
  return new RegExp(`^${body}${anyPort ? '(:\\d{1,5})?' : ''}$`, 'i')
}

const escapeRegExp = (text: string): string => text.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&')
