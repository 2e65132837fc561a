/** Fields at the top of a JSON body, found as early as its bytes allow. */
import type { RequestFields } from './identity-groups.ts'

const QUOTE = 0x22
const BACKSLASH = 0x5c
const OPEN_BRACE = 0x7b
const CLOSE_BRACE = 0x7d
const OPEN_BRACKET = 0x5b
const CLOSE_BRACKET = 0x5d
const COLON = 0x3a
const COMMA = 0x2c

/** The wanted fields of a whole body; none where it is no JSON object. A name that stands twice counts as `JSON.parse` has it. */
export function fieldsOfJson(text: string, wanted: ReadonlySet<string>): RequestFields {
  const fields = new Map<string, unknown>()
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return fields
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return fields
  for (const name of wanted) {
    if (Object.hasOwn(value, name)) fields.set(name, (value as Readonly<Record<string, unknown>>)[name])
  }
  return fields
}

/**
 * The wanted fields where the beginning of a body settles all of them: each was found, the object ended, or it is no JSON object,
 * which has none. Undefined where more must be read. Values other than strings come as `null`; of a name that stands twice the
 * first counts.
 */
export function fieldsOfJsonPrefix(
  bytes: Uint8Array,
  wanted: ReadonlySet<string>,
  decode: (bytes: Uint8Array) => string,
): RequestFields | undefined {
  const fields = new Map<string, unknown>()
  let at = afterSpace(bytes, 0)
  if (at === bytes.length) return undefined
  if (bytes[at] !== OPEN_BRACE) return fields
  at = afterSpace(bytes, at + 1)
  if (bytes[at] === CLOSE_BRACE) return fields
  for (;;) {
    if (at === bytes.length) return undefined
    if (bytes[at] !== QUOTE) return NO_OBJECT
    const keyEnd = afterString(bytes, at)
    if (keyEnd === undefined) return undefined
    const key = stringIn(decode(bytes.subarray(at, keyEnd)))
    const colon = afterSpace(bytes, keyEnd)
    if (colon >= bytes.length) return undefined
    if (key === undefined || bytes[colon] !== COLON) return NO_OBJECT
    const from = afterSpace(bytes, colon + 1)
    const to = afterValue(bytes, from)
    if (to === undefined) return undefined
    if (wanted.has(key) && !fields.has(key)) {
      fields.set(key, bytes[from] === QUOTE ? (stringIn(decode(bytes.subarray(from, to))) ?? null) : null)
    }
    at = afterSpace(bytes, to)
    if (fields.size === wanted.size || bytes[at] === CLOSE_BRACE) return fields
    if (at === bytes.length) return undefined
    if (bytes[at] !== COMMA) return NO_OBJECT
    at = afterSpace(bytes, at + 1)
  }
}

const NO_OBJECT: RequestFields = new Map()

function afterSpace(bytes: Uint8Array, from: number): number {
  let at = from
  while (bytes[at] === 0x20 || bytes[at] === 0x0a || bytes[at] === 0x0d || bytes[at] === 0x09) at += 1
  return at
}

/** Where the string that begins at `from` ends; undefined where it does not yet. */
function afterString(bytes: Uint8Array, from: number): number | undefined {
  for (let at = from + 1; at < bytes.length; at += 1) {
    if (bytes[at] === BACKSLASH) at += 1
    else if (bytes[at] === QUOTE) return at + 1
  }
  return undefined
}

function afterValue(bytes: Uint8Array, from: number): number | undefined {
  const first = bytes[from]
  if (first === QUOTE) return afterString(bytes, from)
  if (first === OPEN_BRACE || first === OPEN_BRACKET) return afterNested(bytes, from)
  // A number, true, false or null ends where something else begins.
  for (let at = from; at < bytes.length; at += 1) {
    const byte = bytes[at] as number
    if (byte === COMMA || byte === CLOSE_BRACE || byte <= 0x20) return at
  }
  return undefined
}

function afterNested(bytes: Uint8Array, from: number): number | undefined {
  let depth = 0
  for (let at = from; at < bytes.length; at += 1) {
    const byte = bytes[at]
    if (byte === QUOTE) {
      const end = afterString(bytes, at)
      if (end === undefined) return undefined
      at = end - 1
    } else if (byte === OPEN_BRACE || byte === OPEN_BRACKET) depth += 1
    else if (byte === CLOSE_BRACE || byte === CLOSE_BRACKET) {
      depth -= 1
      if (depth === 0) return at + 1
    }
  }
  return undefined
}

function stringIn(json: string): string | undefined {
  try {
    const value: unknown = JSON.parse(json)
    return typeof value === 'string' ? value : undefined
  } catch {
    return undefined
  }
}
