/** Turns a JSON schema into a grammar that lets a model write nothing else; refuses what the grammar could not keep. */
import { limit } from '../../../../core/limits.ts'
import { type Body, isObject } from './fields.ts'
import {
  alternatives,
  countOf,
  guessedType,
  literal,
  numberOf,
  only,
  pickFor,
  refused,
  resolve,
  stringOf,
} from './json-schema-parts.ts'

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
    if (Array.isArray(schema.enum))
      return only(schema, ['enum', 'type'], alternatives(schema.enum.map(literal), 'enum'))
    const options = schema.anyOf ?? schema.oneOf
    if (Array.isArray(options)) {
      return only(
        schema,
        ['anyOf' in schema ? 'anyOf' : 'oneOf'],
        alternatives(
          options.map((option) => this.ruleOf(option)),
          'anyOf',
        ),
      )
    }
    if (Array.isArray(schema.allOf) && schema.allOf.length === 1)
      return only(schema, ['allOf'], this.ruleOf(schema.allOf[0]))
    if (Array.isArray(schema.type)) {
      return alternatives(
        schema.type.map((type) => `(${this.#typed(pickFor(schema, type), type)})`),
        'type',
      )
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
        return only(
          schema,
          ['type', 'minimum', 'maximum', 'exclusiveMinimum', 'exclusiveMaximum'],
          numberOf(schema, type),
        )
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
    const all = [
      ...properties,
      ...[...required]
        .filter((key) => typeof key === 'string' && !known.has(key))
        .map((key): [string, unknown] => [key as string, true]),
    ]
    if (all.length === 0) return this.#map(schema.additionalProperties ?? true)
    // From the last property back: what may follow with and without a comma before it.
    let bare = ''
    let comma = ''
    for (const [key, value] of all.toReversed()) {
      const pair = `${literal(key)} space ":" space ${this.ruleOf(value)} space`
      const [bareName, commaName] = [this.#newName(), this.#newName()]
      const optional = !required.has(key)
      this.#rules.push(`${bareName} ::= ${pair} ${comma}${optional ? ` | ${bare === '' ? '""' : bare}` : ''}`)
      this.#rules.push(
        `${commaName} ::= "," space ${pair} ${comma}${optional ? ` | ${comma === '' ? '""' : comma}` : ''}`,
      )
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
