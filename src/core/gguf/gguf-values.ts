/** Reads one metadata value of a GGUF header: kept where it is small, counted and passed over where it is large. */
import { unreachable } from '../ids.ts'
import { limit } from '../limits.ts'
import { type GgufArray, type GgufLongString, type GgufValue, ggufInvalid } from './gguf-header.ts'
import type { GgufReader } from './gguf-reader.ts'

/** Strings up to this size are kept. Chat templates reach 30 KB; embedded tokenizer files of megabytes are of no use here. */
const KEPT_STRING_BYTES = 256 * 1024
/** Arrays of numbers up to this length are kept: per-layer values, never a vocabulary. */
const KEPT_NUMBERS = 1024

/** `gguf_metadata_value_type` of the GGUF specification: number, name and size in bytes. */
const VALUE_TYPES = [
  { name: 'uint8', bytes: 1 },
  { name: 'int8', bytes: 1 },
  { name: 'uint16', bytes: 2 },
  { name: 'int16', bytes: 2 },
  { name: 'uint32', bytes: 4 },
  { name: 'int32', bytes: 4 },
  { name: 'float32', bytes: 4 },
  { name: 'bool', bytes: 1 },
  { name: 'string', bytes: 8 },
  { name: 'array', bytes: 12 },
  { name: 'uint64', bytes: 8 },
  { name: 'int64', bytes: 8 },
  { name: 'float64', bytes: 8 },
] as const

type ValueType = (typeof VALUE_TYPES)[number]
type ScalarName = Exclude<ValueType['name'], 'string' | 'array'>

/** Reads a value with its type before it. */
export async function readValue(reader: GgufReader): Promise<GgufValue> {
  await reader.fill(4)
  const type = readValueType(reader)
  if (type.name === 'array') return await readArray(reader, 1)
  if (type.name === 'string') return await readString(reader)
  await reader.fill(type.bytes)
  return readScalar(reader, type.name)
}

function readValueType(reader: GgufReader): ValueType {
  const at = reader.position
  const number = reader.uint32()
  const type = VALUE_TYPES[number]
  if (type === undefined) throw ggufInvalid(`unknown value type ${number}`, at)
  return type
}

function readScalar(reader: GgufReader, name: ScalarName): number | bigint | boolean {
  switch (name) {
    case 'uint8':
      return reader.take(1, (view, at) => view.getUint8(at))
    case 'int8':
      return reader.take(1, (view, at) => view.getInt8(at))
    case 'uint16':
      return reader.take(2, (view, at) => view.getUint16(at, true))
    case 'int16':
      return reader.take(2, (view, at) => view.getInt16(at, true))
    case 'uint32':
      return reader.uint32()
    case 'int32':
      return reader.take(4, (view, at) => view.getInt32(at, true))
    case 'float32':
      return reader.take(4, (view, at) => view.getFloat32(at, true))
    case 'float64':
      return reader.take(8, (view, at) => view.getFloat64(at, true))
    case 'uint64':
      return reader.integer(false)
    case 'int64':
      return reader.integer(true)
    case 'bool': {
      const at = reader.position
      const byte = reader.take(1, (view, place) => view.getUint8(place))
      if (byte > 1) throw ggufInvalid('a boolean is neither 0 nor 1', at)
      return byte === 1
    }
    default:
      return unreachable(name)
  }
}

/** The length of a string, checked against the bound and against what is left of the header. */
export function readStringLength(reader: GgufReader, what: string, mostBytes: number): number {
  const at = reader.position
  const length = reader.size(`the length of ${what}`)
  if (length > mostBytes) throw ggufInvalid(`${what} of ${length} bytes is longer than ${mostBytes}`, at)
  reader.require(length)
  return length
}

async function readString(reader: GgufReader): Promise<string | GgufLongString> {
  await reader.fill(8)
  const sizeBytes = readStringLength(reader, 'a string', limit('ggufStringBytes'))
  if (sizeBytes <= KEPT_STRING_BYTES) return await reader.text(sizeBytes, 'a string')
  reader.skip(sizeBytes)
  return { kind: 'long-string', sizeBytes }
}

async function readArray(reader: GgufReader, depth: number): Promise<GgufArray> {
  if (depth > limit('ggufArrayDepth')) throw ggufInvalid('arrays are nested too deeply', reader.position)
  await reader.fill(12)
  const type = readValueType(reader)
  const at = reader.position
  const count = reader.size('the length of an array')
  if (count > limit('ggufItems')) throw ggufInvalid(`an array of ${count} elements is too long`, at)
  // Every element takes at least this much, so an untrue count is found before anything is walked.
  reader.require(count * type.bytes)
  if (type.name === 'array') {
    for (let index = 0; index < count; index += 1) await readArray(reader, depth + 1)
  } else if (type.name === 'string') {
    await skipStrings(reader, count)
  } else if (type.name !== 'bool' && count <= KEPT_NUMBERS) {
    return { kind: 'array', count, numbers: await readNumbers(reader, type.name, type.bytes, count) }
  } else {
    reader.skip(count * type.bytes)
  }
  return { kind: 'array', count, numbers: undefined }
}

async function readNumbers(reader: GgufReader, name: ScalarName, bytes: number, count: number): Promise<number[]> {
  await reader.fill(count * bytes)
  const numbers: number[] = []
  for (let index = 0; index < count; index += 1) numbers.push(Number(readScalar(reader, name)))
  return numbers
}

async function skipStrings(reader: GgufReader, count: number): Promise<void> {
  const mostBytes = limit('ggufStringBytes')
  for (let index = 0; index < count; index += 1) {
    // A vocabulary has hundreds of thousands of strings: only a new window costs a turn of the event loop.
    if (!reader.ready(8)) await reader.fill(8)
    reader.skip(readStringLength(reader, 'a string', mostBytes))
  }
}
