/** The parts of a JSON schema that need no rules of their own, as expressions of a grammar. */
import { HeddleError } from '../../../../core/errors.ts'
import { limit } from '../../../../core/limits.ts'
import { type Body, isObject } from './fields.ts'

const FORMATS: Readonly<Record<string, string>> = {
  date: String.raw`"\"" date "\""`,
  time: String.raw`"\"" time "\""`,
  'date-time': String.raw`"\"" date "T" time "\""`,
  uuid: String.raw`"\"" uuid "\""`,
}
/** Keywords that allow or forbid nothing. */
const ANNOTATIONS = [
  'title',
  'description',
  'default',
  'examples',
  '$schema',
  '$id',
  '$comment',
  '$defs',
  'definitions',
  'deprecated',
  'readOnly',
  'writeOnly',
]
const SAFE_INTEGER_DIGITS = 999_999_999_999_999

/** The error for a schema that cannot be kept. */
export function refused(what: string): HeddleError {
  return new HeddleError('invalid_request', `the JSON schema ${what}`, { param: 'response_format' })
}

/** The value that a `#/a/b` pointer (RFC 6901) names. */
export function resolve(root: unknown, reference: string): unknown {
  if (reference !== '#' && !reference.startsWith('#/')) throw refused('refers to another document')
  let at: unknown = root
  for (const part of reference.split('/').slice(1)) {
    const key = part.replaceAll('~1', '/').replaceAll('~0', '~')
    at = (isObject(at) || Array.isArray(at)) && Object.hasOwn(at, key) ? (at as Body)[key] : undefined
  }
  if (at === undefined) throw refused('refers to a part that it does not have')
  return at
}

/** `expression`, once the schema is known to say nothing else. */
export function only(schema: Body, keywords: readonly string[], expression: string): string {
  for (const keyword of Object.keys(schema)) {
    if (keywords.includes(keyword) || ANNOTATIONS.includes(keyword)) continue
    if (/^[$A-Za-z]{1,32}$/.test(keyword)) throw refused(`uses "${keyword}" in a way that this runtime cannot keep`)
    throw refused('uses a keyword that this runtime does not know')
  }
  return expression
}

/** Of a schema with several types, the keywords about one of them. */
export function pickFor(schema: Body, type: unknown): Body {
  const about: Readonly<Record<string, readonly string[]>> = {
    object: ['properties', 'required', 'additionalProperties'],
    array: ['items', 'prefixItems', 'minItems', 'maxItems'],
    string: ['format', 'minLength', 'maxLength'],
    integer: ['minimum', 'maximum', 'exclusiveMinimum', 'exclusiveMaximum'],
    number: ['minimum', 'maximum', 'exclusiveMinimum', 'exclusiveMaximum'],
  }
  const others = new Set(Object.entries(about).flatMap(([name, keywords]) => (name === type ? [] : keywords)))
  for (const keyword of about[String(type)] ?? []) others.delete(keyword)
  return Object.fromEntries(Object.entries(schema).filter(([keyword]) => !others.has(keyword)))
}

export function guessedType(schema: Body): string | undefined {
  if ('properties' in schema || 'required' in schema || 'additionalProperties' in schema) return 'object'
  return 'items' in schema || 'prefixItems' in schema ? 'array' : undefined
}

export function stringOf(schema: Body): string {
  if (schema.format !== undefined) {
    const format = typeof schema.format === 'string' ? FORMATS[schema.format] : undefined
    if (format === undefined) throw refused('asks for a string format that this runtime does not know')
    return only(schema, ['type', 'format'], format)
  }
  const least = countOf(schema, 'minLength') ?? 0
  const most = countOf(schema, 'maxLength')
  if (most !== undefined && most < least) throw refused('has "maxLength" below "minLength"')
  return least === 0 && most === undefined ? 'string' : String.raw`"\"" char{${least},${most ?? ''}} "\""`
}

/** Bounds that digits alone can keep: none, not negative, positive. */
export function numberOf(schema: Body, type: 'integer' | 'number'): string {
  const { minimum, maximum, exclusiveMinimum, exclusiveMaximum } = schema
  const far = (bound: unknown): boolean =>
    bound === undefined || (typeof bound === 'number' && type === 'integer' && Math.abs(bound) >= SAFE_INTEGER_DIGITS)
  if (!far(maximum) || !far(exclusiveMaximum)) throw refused('bounds a number in a way that this runtime cannot keep')
  if (far(minimum) && far(exclusiveMinimum)) return type
  if (type === 'integer' && far(minimum) && exclusiveMinimum === 0) return '[1-9] [0-9]{0,14}'
  if (type === 'integer' && minimum === 1 && far(exclusiveMinimum)) return '[1-9] [0-9]{0,14}'
  if (minimum === 0 && exclusiveMinimum === undefined) return type === 'integer' ? 'natural' : 'natural ("." digits)?'
  throw refused('bounds a number in a way that this runtime cannot keep')
}

export function countOf(schema: Body, keyword: string): number | undefined {
  const value = schema[keyword]
  if (value === undefined) return undefined
  if (typeof value !== 'number' || !Number.isInteger(value) || value < 0)
    throw refused(`has a "${keyword}" that is not a count`)
  if (value > limit('schemaRepeats')) throw refused(`has a "${keyword}" above ${limit('schemaRepeats')}`)
  return value
}

export function alternatives(expressions: readonly string[], keyword: string): string {
  if (expressions.length === 0) throw refused(`has an empty "${keyword}"`)
  if (expressions.length > limit('schemaItems')) throw refused(`has more than ${limit('schemaItems')} parts`)
  return `(${expressions.join(' | ')})`
}

/** A JSON value as a GBNF literal. */
export function literal(value: unknown): string {
  const json = JSON.stringify(value)
  if (json === undefined) throw refused('has a value that is not JSON')
  return `"${json.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`
}
