/** The smallest value that satisfies a JSON schema, for scripted structured output and tool arguments. */
import { limit } from '../../core/limits.ts'

export type Json = null | boolean | number | string | readonly Json[] | { readonly [name: string]: Json }
type Schema = Readonly<Record<string, unknown>>

/** Thrown where a schema asks for something that is not implemented here, e.g. `pattern`. */
export class UnsupportedSchema extends Error {
  override readonly name = 'UnsupportedSchema'
}

/** A minimal instance: required properties only, empty strings, the least numbers. Throws `UnsupportedSchema`. */
export function instanceOf(schema: unknown, root: unknown = schema, depth = 0): Json {
  if (depth > limit('jsonDepth')) throw new UnsupportedSchema('the schema never ends')
  if (schema === true || schema === undefined) return {}
  if (!isSchema(schema)) throw new UnsupportedSchema('a schema must be an object or true')
  if (typeof schema['$ref'] === 'string') return instanceOf(resolve(root, schema['$ref']), root, depth + 1)
  if ('const' in schema) return schema['const'] as Json
  if (Array.isArray(schema['enum'])) {
    if (schema['enum'].length === 0) throw new UnsupportedSchema('an empty enum allows nothing')
    return schema['enum'][0] as Json
  }
  for (const union of ['anyOf', 'oneOf']) {
    const options = schema[union]
    if (Array.isArray(options)) return firstInstance(schema, options, union, root, depth)
  }
  if (Array.isArray(schema['allOf'])) return instanceOf(merged(schema, schema['allOf'], root), root, depth + 1)
  return instanceOfType(schema, root, depth)
}

function instanceOfType(schema: Schema, root: unknown, depth: number): Json {
  switch (typeOf(schema)) {
    case 'object':
      return objectInstance(schema, root, depth)
    case 'array':
      return arrayInstance(schema, root, depth)
    case 'string':
      if ('pattern' in schema || 'format' in schema)
        throw new UnsupportedSchema('string patterns and formats are not supported')
      return 'x'.repeat(numberOf(schema, 'minLength') ?? 0)
    case 'integer':
      return numberInstance(schema, 1)
    case 'number':
      return numberInstance(schema, undefined)
    case 'boolean':
      return false
    case 'null':
      return null
    default:
      throw new UnsupportedSchema('a type must be a name of JSON Schema')
  }
}

function typeOf(schema: Schema): unknown {
  const type = schema['type']
  if (Array.isArray(type)) return type[0]
  if (type !== undefined) return type
  if ('items' in schema || 'prefixItems' in schema) return 'array'
  if ('minLength' in schema || 'pattern' in schema) return 'string'
  if ('minimum' in schema || 'maximum' in schema || 'multipleOf' in schema) return 'number'
  return 'object'
}

function objectInstance(schema: Schema, root: unknown, depth: number): Json {
  const properties = isSchema(schema['properties']) ? schema['properties'] : {}
  const result: Record<string, Json> = {}
  for (const name of Array.isArray(schema['required']) ? schema['required'] : []) {
    if (typeof name !== 'string') throw new UnsupportedSchema('required must list names')
    Object.defineProperty(result, name, {
      value: instanceOf(properties[name], root, depth + 1),
      enumerable: true,
      configurable: true,
      writable: true,
    })
  }
  return result
}

function arrayInstance(schema: Schema, root: unknown, depth: number): Json {
  const prefix = Array.isArray(schema['prefixItems']) ? schema['prefixItems'] : []
  const length = numberOf(schema, 'minItems') ?? 0
  if (length > 1000) throw new UnsupportedSchema('an array of more than 1000 items is not made')
  if (length > 1 && schema['uniqueItems'] === true) throw new UnsupportedSchema('unique items are not supported')
  return Array.from({ length }, (_item, index) => instanceOf(prefix[index] ?? schema['items'], root, depth + 1))
}

function numberInstance(schema: Schema, defaultStep: number | undefined): number {
  const step = numberOf(schema, 'multipleOf') ?? defaultStep
  const minimum = numberOf(schema, 'minimum')
  const above = numberOf(schema, 'exclusiveMinimum')
  const maximum = numberOf(schema, 'maximum')
  const below = numberOf(schema, 'exclusiveMaximum')
  const fits = (value: number): boolean =>
    (minimum === undefined || value >= minimum) &&
    (above === undefined || value > above) &&
    (maximum === undefined || value <= maximum) &&
    (below === undefined || value < below)
  const least = Math.max(minimum ?? -Infinity, above ?? -Infinity)
  const most = Math.min(maximum ?? Infinity, below ?? Infinity)
  const tries = step === undefined ? [0, least, most, (least + most) / 2, least + 1, most - 1] : []
  if (step !== undefined) {
    for (const bound of [0, least, most]) {
      const multiple = Math.round(bound / step)
      for (const count of [multiple, multiple + 1, multiple - 1]) tries.push(count * step)
    }
  }
  const value = tries.find((candidate) => Number.isFinite(candidate) && fits(candidate))
  if (value === undefined) throw new UnsupportedSchema('no number fits the bounds')
  return value === 0 ? 0 : value
}

function firstInstance(schema: Schema, options: readonly unknown[], union: string, root: unknown, depth: number): Json {
  const { [union]: _union, ...rest } = schema
  let failure: unknown = new UnsupportedSchema(`an empty ${union} allows nothing`)
  for (const option of options) {
    try {
      return instanceOf(merged(rest, [option], root), root, depth + 1)
    } catch (error) {
      // Another option may be one that can be made.
      if (!(error instanceof UnsupportedSchema)) throw error
      failure = error
    }
  }
  throw failure
}

/** The schema together with others that hold at the same time. */
function merged(schema: Schema, others: readonly unknown[], root: unknown): Schema {
  const { allOf: _allOf, ...start } = schema
  let result: Schema = start
  for (const other of others) {
    const next = isSchema(other) && typeof other['$ref'] === 'string' ? resolve(root, other['$ref']) : other
    if (!isSchema(next)) continue
    result = {
      ...result,
      ...next,
      properties: { ...asSchema(result['properties']), ...asSchema(next['properties']) },
      required: [...asArray(result['required']), ...asArray(next['required'])],
    }
    if (Object.keys(result['properties'] as Schema).length === 0 && asArray(result['required']).length === 0) {
      const { properties: _properties, required: _required, ...plain } = result
      result = plain
    }
  }
  return result
}

function resolve(root: unknown, reference: string): unknown {
  if (!reference.startsWith('#')) throw new UnsupportedSchema('only references inside the schema are followed')
  let at: unknown = root
  for (const part of reference.slice(1).split('/').slice(1)) {
    const name = decodeURIComponent(part).replaceAll('~1', '/').replaceAll('~0', '~')
    if (!isSchema(at) || !Object.hasOwn(at, name)) throw new UnsupportedSchema('a reference leads nowhere')
    at = at[name]
  }
  return at
}

function numberOf(schema: Schema, name: string): number | undefined {
  const value = schema[name]
  return typeof value === 'number' && Number.isFinite(value) ? value : undefined
}

function isSchema(value: unknown): value is Schema {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

const asSchema = (value: unknown): Schema => (isSchema(value) ? value : {})
const asArray = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : [])
