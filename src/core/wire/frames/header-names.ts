/** Header names that take one byte on the wire. The order is part of the protocol: names are only ever added at the end. */

/** A name's first byte says how it is written: below 0x80 its length, else its place in `HEADER_NAMES` and nothing more. */
export const KNOWN_NAME = 0x80
export const LITERAL_NAME_BYTES = KNOWN_NAME - 1

export const HEADER_NAMES = [
  'accept',
  'accept-encoding',
  'accept-language',
  'accept-ranges',
  'age',
  'allow',
  'authorization',
  'cache-control',
  'content-disposition',
  'content-encoding',
  'content-language',
  'content-length',
  'content-location',
  'content-range',
  'content-type',
  'cookie',
  'date',
  'etag',
  'expect',
  'expires',
  'forwarded',
  'host',
  'if-match',
  'if-modified-since',
  'if-none-match',
  'last-modified',
  'link',
  'location',
  'origin',
  'range',
  'referer',
  'retry-after',
  'server',
  'set-cookie',
  'traceparent',
  'tracestate',
  'transfer-encoding',
  'user-agent',
  'vary',
  'via',
  'warning',
  'www-authenticate',
  'x-accel-buffering',
  'x-forwarded-for',
  'x-request-id',
  'x-should-retry',
] as const satisfies readonly string[]

/** The place of each name in `HEADER_NAMES`. */
export const HEADER_INDEX: ReadonlyMap<string, number> = new Map(HEADER_NAMES.map((name, index) => [name, index]))
