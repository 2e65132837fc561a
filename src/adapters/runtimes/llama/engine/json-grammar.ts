/** Turns a JSON schema into a grammar that lets a model write nothing else; refuses what the grammar could not keep. */
import { HeddleError } from '../../../../core/errors.ts'
import { limit } from '../../../../core/limits.ts'
import { type Body, isObject } from './fields.ts'

/** Rules that every grammar has; GBNF as llama.cpp reads it. */
const BASE = String.raw`
space ::= " "?
char ::= [^"\\\x7F\x00-\x1F] | "\\" (["\\bfnrt] | "u" [0-9a-fA-F]{4})
string ::= "\"" char* "\""
digits ::= [0-9]{1,15}
natural ::= "0" | [1-9] [0-9]{0,14}
integer ::= "-"? natural
number ::= "-"? natural ("." digits)? ([eE] [-+]? [0-9]{1,2})?
boolean ::= "true" | "false"
null ::= "null"
value ::= object | array | string | number | boolean | null
object ::= "{" space (string space ":" space value space ("," space string space ":" space value space)*)? "}"
array ::= "[" space (value space ("," space value space)*)? "]"
date ::= [0-9]{4} "-" ("0" [1-9] | "1" [0-2]) "-" ("0" [1-9] | "1" [0-9] | "2" [0-8])
time ::= ([01] [0-9] | "2" [0-3]) ":" [0-5] [0-9] ":" [0-5] [0-9] ("." [0-9]{3})? "Z"
uuid ::= [0-9a-f]{8} "-" [0-9a-f]{4} "-4" [0-9a-f]{3} "-" [89ab] [0-9a-f]{3} "-" [0-9a-f]{12}
`
const FORMATS: Readonly<Record<string, string>> = {
  date: String.raw`"\"" date "\""`,
  time: String.raw`"\"" time "\""`,
  'date-time': String.raw`"\"" date "T" time "\""`,
  uuid: String.raw`"\"" uuid "\""`,
}
/** Keywords that allow or forbid nothing. */
const ANNOTATIONS = ['title', 'description', 'default', 'examples', '$schema', '$id', '$comment', '$defs', 'definitions', 'deprecated', 'readOnly', 'writeOnly']
const SAFE_INTEGER_DIGITS = 999_999_999_999_999

/** Any JSON object. */
export const JSON_OBJECT_GRAMMAR = `root ::= object\n${BASE}`

/** Throws `invalid_request` naming `response_format` where the schema is wrong or asks for more than a grammar keeps. */
export function jsonSchemaGrammar(schema: unknown): string {
  const rules = new SchemaRules(schema)
  const root = rules.ruleOf(schema)
  const text = `root ::= ${root}\n${rules.text()}${BASE}`
  if (text.length > limit('grammarCharacters')) throw refused('is too large')
  return text
}

function refused(what: string): HeddleError {
  return new HeddleError('invalid_request', `the JSON schema ${what}`, { param: 'response_format' })
}

class SchemaRules {
  readonly #root: unknown
  readonly #rules: string[] = []
  readonly #references = new Map<string, string>()
  #count = 0

  constructor(root: unknown) {
    this.#root = root
  }

  text(): string {
    return this.#rules.map((rule) => `${rule}\n`).join('')
  }

  /** The name of the rule for `schema`. */
  ruleOf(schema: unknown): string {
    return this.#define(this.#newName(), schema)
  }

  #newName(): string {
    this.#count += 1
    if (this.#count > limit('schemaItems')) throw refused(`has more than ${limit('schemaItems')} parts`)
    return `s${this.#count}`
  }

  #define(name: string, schema: unknown): string {
    this.#rules.push(`${name} ::= ${this.#expression(schema)}`)
    return name
  }

  #expression(schema: unknown): string {
    if (schema === true) return 'value'
    if (!isObject(schema)) throw refused('has a part that is not an object')
    if (typeof schema.$ref === 'string') return only(schema, ['$ref'], this.#reference(schema.$ref))
    if ('const' in schema) return only(schema, ['const', 'type'], literal(schema.const))
    if (Array.isArray(schema.enum)) return only(schema, ['enum', 'type'], alternatives(schema.enum.map(literal), 'enum'))
    const options = schema.anyOf ?? schema.oneOf
    if (Array.isArray(options)) {
      return only(schema, ['anyOf' in schema ? 'anyOf' : 'oneOf'], alternatives(options.map((option) => this.ruleOf(option)), 'anyOf'))
    }
    if (Array.isArray(schema.allOf) && schema.allOf.length === 1) return only(schema, ['allOf'], this.ruleOf(schema.allOf[0]))
    if (Array.isArray(schema.type)) {
      return alternatives(schema.type.map((type) => `(${this.#typed(pickFor(schema, type), type)})`), 'type')
    }
    return this.#typed(schema, schema.type ?? guessedType(schema))
  }

  #typed(schema: Body, type: unknown): string {
    switch (type) {
      case undefined:
        return only(schema, [], 'value')
      case 'object':
        return only(schema, ['type', 'properties', 'required', 'additionalProperties'], this.#object(schema))
      case 'array':
        return only(schema, ['type', 'items', 'prefixItems', 'minItems', 'maxItems'], this.#array(schema))
      case 'string':
        return only(schema, ['type', 'format', 'minLength', 'maxLength'], stringOf(schema))
      case 'integer':
      case 'number':
        return only(schema, ['type', 'minimum', 'maximum', 'exclusiveMinimum', 'exclusiveMaximum'], numberOf(schema, type))
      case 'boolean':
      case 'null':
        return only(schema, ['type'], type)
      default:
        throw refused('names a type that JSON does not have')
    }
  }

  #object(schema: Body): string {
    const properties = isObject(schema.properties) ? Object.entries(schema.properties) : []
    const required = new Set(Array.isArray(schema.required) ? schema.required : [])
    const known = new Set(properties.map(([key]) => key))
    const all = [...properties, ...[...required].filter((key) => typeof key === 'string' && !known.has(key)).map((key): [string, unknown] => [key as string, true])]
    if (all.length === 0) return this.#map(schema.additionalProperties ?? true)
    // From the last property back: what may follow with and without a comma before it.
    let bare = ''
    let comma = ''
    for (const [key, value] of all.toReversed()) {
      const pair = `${literal(key)} space ":" space ${this.ruleOf(value)} space`
      const [bareName, commaName] = [this.#newName(), this.#newName()]
      const optional = !required.has(key)
      this.#rules.push(`${bareName} ::= ${pair} ${comma}${optional ? ` | ${bare === '' ? '""' : bare}` : ''}`)
      this.#rules.push(`${commaName} ::= "," space ${pair} ${comma}${optional ? ` | ${comma === '' ? '""' : comma}` : ''}`)
      bare = bareName
      comma = commaName
    }
    return `"{" space ${bare} "}"`
  }

  /** An object without named properties. */
  #map(values: unknown): string {
    if (values === true) return 'object'
    if (values === false) return '"{" space "}"'
    const pair = `string space ":" space ${this.ruleOf(values)} space`
    return `"{" space (${pair} ("," space ${pair})*)? "}"`
  }

  #array(schema: Body): string {
    const prefix = Array.isArray(schema.prefixItems) ? schema.prefixItems.map((item) => this.ruleOf(item)) : []
    const least = countOf(schema, 'minItems') ?? 0
    const most = countOf(schema, 'maxItems')
    if (prefix.length > 0) {
      const more = Math.max(0, least - prefix.length)
      if (most !== undefined && most < prefix.length) throw refused('has "maxItems" below its "prefixItems"')
      const rest = more === 0 ? '' : ` ("," space ${this.ruleOf(schema.items ?? true)} space){${more}}`
      return `"[" space ${prefix.map((item) => `${item} space`).join(' "," space ')}${rest} "]"`
    }
    if (most === 0) return '"[" space "]"'
    if (most !== undefined && most < least) throw refused('has "maxItems" below "minItems"')
    const item = `${this.ruleOf(schema.items ?? true)} space`
    const repeated = `${item} ("," space ${item}){${Math.max(0, least - 1)},${most === undefined ? '' : most - 1}}`
    return `"[" space ${least === 0 ? `(${repeated})?` : repeated} "]"`
  }

  #reference(reference: string): string {
    const known = this.#references.get(reference)
    if (known !== undefined) return known
    const name = this.#newName()
    this.#references.set(reference, name)
    return this.#define(name, resolve(this.#root, reference))
  }
}

/** The value that a `#/a/b` pointer (RFC 6901) names. */
function resolve(root: unknown, reference: string): unknown {
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
function only(schema: Body, keywords: readonly string[], expression: string): string {
  for (const keyword of Object.keys(schema)) {
    if (keywords.includes(keyword) || ANNOTATIONS.includes(keyword)) continue
    if (/^[$A-Za-z]{1,32}$/.test(keyword)) throw refused(`uses "${keyword}" in a way that this runtime cannot keep`)
    throw refused('uses a keyword that this runtime does not know')
  }
  return expression
}

/** Of a schema with several types, the keywords about one of them. */
function pickFor(schema: Body, type: unknown): Body {
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

function guessedType(schema: Body): string | undefined {
  if ('properties' in schema || 'required' in schema || 'additionalProperties' in schema) return 'object'
  return 'items' in schema || 'prefixItems' in schema ? 'array' : undefined
}

function stringOf(schema: Body): string {
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
function numberOf(schema: Body, type: 'integer' | 'number'): string {
  const { minimum, maximum, exclusiveMinimum, exclusiveMaximum } = schema
  const far = (bound: unknown): boolean => bound === undefined || (typeof bound === 'number' && type === 'integer' && Math.abs(bound) >= SAFE_INTEGER_DIGITS)
  if (!far(maximum) || !far(exclusiveMaximum)) throw refused('bounds a number in a way that this runtime cannot keep')
  if (far(minimum) && far(exclusiveMinimum)) return type
  if (type === 'integer' && far(minimum) && exclusiveMinimum === 0) return '[1-9] [0-9]{0,14}'
  if (type === 'integer' && minimum === 1 && far(exclusiveMinimum)) return '[1-9] [0-9]{0,14}'
  if (minimum === 0 && exclusiveMinimum === undefined) return type === 'integer' ? 'natural' : 'natural ("." digits)?'
  throw refused('bounds a number in a way that this runtime cannot keep')
}

function countOf(schema: Body, keyword: string): number | undefined {
  const value = schema[keyword]
  if (value === undefined) return undefined
  if (typeof value !== 'number' || !Number.isInteger(value) || value < 0) throw refused(`has a "${keyword}" that is not a count`)
  if (value > limit('schemaRepeats')) throw refused(`has a "${keyword}" above ${limit('schemaRepeats')}`)
  return value
}

function alternatives(expressions: readonly string[], keyword: string): string {
  if (expressions.length === 0) throw refused(`has an empty "${keyword}"`)
  if (expressions.length > limit('schemaItems')) throw refused(`has more than ${limit('schemaItems')} parts`)
  return `(${expressions.join(' | ')})`
}

/** A JSON value as a GBNF literal. */
function literal(value: unknown): string {
  const json = JSON.stringify(value)
  if (json === undefined) throw refused('has a value that is not JSON')
  return `"${json.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`
}
