/** Takes secrets, prompts and completions out of log fields, by the name of a field and by what a string looks like. */
import { HeddleError } from '../../core/errors.ts'

const REMOVED = '[removed]'
/** Names whose values are never logged, compared without case, `-` and `_`. */
const SECRET_NAMES: ReadonlySet<string> = new Set([
  'authorization',
  'proxyauthorization',
  'cookie',
  'setcookie',
  'xapikey',
  'apikey',
  'secret',
  'token',
  'key',
  'password',
  'prompt',
  'messages',
  'content',
  'completion',
  'input',
])
/** Our keys and the usual form of other providers' keys; bearer credentials; the user part of a URL. */
const SECRET_TEXT = /sk-[\w-]{8,}|(?<=\bbearer\s+)[^\s"',;]+|(?<=\/\/)[^\s/@"]+(?=@)/gi
/** Cheap to ask, and true for every text that SECRET_TEXT finds something in. */
const MAY_BE_SECRET = /sk-|bearer|@/i
/** V8 quotes the text that it could not parse, and that text may be a prompt. */
const JSON_EXCERPT = /is not valid JSON|in JSON at position/
const TEXT_CHARACTERS = 8_192
const ARRAY_ITEMS = 100
const LEVELS = 6
const LONGEST_SAFE_NAME = 10

/** `text` with everything that looks like a secret masked. */
export function maskText(text: string): string {
  const short = text.length > TEXT_CHARACTERS ? `${text.slice(0, TEXT_CHARACTERS)}…` : text
  return MAY_BE_SECRET.test(short) ? short.replace(SECRET_TEXT, REMOVED) : short
}

/** A copy of `fields` that may be logged and serialised: bounded, without secrets, errors as plain objects. */
export function cleanFields(fields: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return cleanObject(fields, LEVELS)
}

function isSecretName(name: string): boolean {
  return SECRET_NAMES.has(name) || (/[A-Z_-]/.test(name) && SECRET_NAMES.has(name.toLowerCase().replace(/[-_]/g, '')))
}

function cleanObject(object: object, levels: number): Record<string, unknown> {
  const clean: Record<string, unknown> = {}
  for (const [name, value] of Object.entries(object)) {
    // Names of fields come from maps of outside sometimes; short ones cannot hold a key.
    const safeName = name.length > LONGEST_SAFE_NAME ? maskText(name) : name
    clean[safeName] = value !== undefined && isSecretName(name) ? REMOVED : cleanValue(value, levels)
  }
  return clean
}

function cleanValue(value: unknown, levels: number): unknown {
  switch (typeof value) {
    case 'string':
      return maskText(value)
    case 'bigint':
      return value.toString()
    case 'number':
      return Number.isFinite(value) ? value : String(value)
    case 'object':
      return value === null ? null : cleanReference(value, levels)
    case 'function':
    case 'symbol':
      return undefined
    default:
      return value
  }
}

function cleanReference(value: object, levels: number): unknown {
  if (value instanceof Error) return cleanError(value, levels)
  if (levels === 0) return '[too deep]'
  if (ArrayBuffer.isView(value)) return `[${value.byteLength} bytes]`
  if (value instanceof Date || value instanceof URL) return maskText(JSON.stringify(value).slice(1, -1))
  if (value instanceof Map) return cleanObject(Object.fromEntries(value), levels - 1)
  if (value instanceof Set) return cleanReference([...value], levels)
  if (Array.isArray(value)) return value.slice(0, ARRAY_ITEMS).map((item) => cleanValue(item, levels - 1))
  return cleanObject(value, levels - 1)
}

function cleanError(error: Error, levels: number): Record<string, unknown> {
  const quotes = error instanceof SyntaxError && JSON_EXCERPT.test(error.message)
  const clean: Record<string, unknown> = {
    type: error.name,
    message: quotes ? 'malformed JSON' : maskText(error.message),
  }
  if (error instanceof HeddleError || 'code' in error) clean['code'] = cleanValue(error.code, 1)
  // Frames only: the head of a stack repeats the message.
  const frames = error.stack?.match(/^ {4}at .+$/gm)
  if (frames) clean['stack'] = maskText(frames.join('\n'))
  if (error.cause !== undefined && levels > 0) clean['cause'] = cleanValue(error.cause, levels - 1)
  return clean
}
