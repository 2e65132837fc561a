/** Makes small GGUF files, valid ones and ones with a chosen fault, following ggml's docs/gguf.md. */
import { unreachable } from '../../src/core/ids.ts'

export type GgufEntryValue =
  | { readonly type: 'uint8' | 'uint32' | 'int32' | 'float32'; readonly value: number }
  | { readonly type: 'uint64'; readonly value: bigint }
  | { readonly type: 'bool'; readonly value: number }
  | { readonly type: 'string'; readonly value: string }
  | {
      readonly type: 'array'
      readonly of: GgufEntryType
      readonly count?: bigint
      readonly values: readonly GgufEntryValue[]
    }

export type GgufEntryType = GgufEntryValue['type']

const TYPE_NUMBERS: Readonly<Record<GgufEntryType, number>> = {
  uint8: 0,
  uint32: 4,
  int32: 5,
  float32: 6,
  bool: 7,
  string: 8,
  array: 9,
  uint64: 10,
}

export interface GgufTensorPlan {
  readonly name: string
  readonly dimensions: readonly bigint[]
  /** Number of the ggml type; 0 is F32. */
  readonly type: number
  /** From the start of the data. */
  readonly offset: bigint
}

export interface GgufPlan {
  readonly version: number
  readonly entries: readonly (readonly [string, GgufEntryValue])[]
  readonly tensors: readonly GgufTensorPlan[]
  /** Padding after the header, before the data. */
  readonly alignment: number
  /** Bytes of tensor data, filled with a pattern. */
  readonly dataBytes: number
}

/** A model of two F32 tensors that passes every check: the start for a variation. */
export const SMALL_PLAN: GgufPlan = {
  version: 3,
  entries: [
    ['general.architecture', { type: 'string', value: 'llama' }],
    ['general.name', { type: 'string', value: 'small' }],
    ['general.file_type', { type: 'uint32', value: 0 }],
    ['llama.context_length', { type: 'uint32', value: 64 }],
    ['llama.embedding_length', { type: 'uint64', value: 8n }],
    ['llama.block_count', { type: 'uint32', value: 1 }],
    ['llama.attention.head_count', { type: 'uint32', value: 4 }],
    [
      'llama.attention.head_count_kv',
      { type: 'array', of: 'int32', values: [2, 1].map((value) => ({ type: 'int32', value })) },
    ],
    [
      'tokenizer.ggml.tokens',
      { type: 'array', of: 'string', values: ['a', 'b', 'c'].map((value) => ({ type: 'string', value })) },
    ],
    ['tokenizer.ggml.add_bos_token', { type: 'bool', value: 1 }],
    ['tokenizer.chat_template', { type: 'string', value: '{{ messages }}' }],
  ],
  tensors: [
    { name: 'token_embd.weight', dimensions: [8n, 3n], type: 0, offset: 0n },
    { name: 'output_norm.weight', dimensions: [8n], type: 0, offset: 96n },
  ],
  alignment: 32,
  dataBytes: 128,
}

/** The bytes of a plan, by default of `SMALL_PLAN`. */
export function buildGguf(changes: Partial<GgufPlan> = {}): Buffer {
  const plan = { ...SMALL_PLAN, ...changes }
  const header = Buffer.concat([
    Buffer.from('GGUF'),
    uint32(plan.version),
    uint64(BigInt(plan.tensors.length)),
    uint64(BigInt(plan.entries.length)),
    ...plan.entries.map(([key, value]) =>
      Buffer.concat([string(key), uint32(TYPE_NUMBERS[value.type]), bytesOf(value)]),
    ),
    ...plan.tensors.map(tensorBytes),
  ])
  const padding = Buffer.alloc((plan.alignment - (header.length % plan.alignment)) % plan.alignment)
  return Buffer.concat([header, padding, Buffer.alloc(plan.dataBytes, 'weights!')])
}

/** `SMALL_PLAN`'s entries with one more at the end. */
export function withEntry(key: string, value: GgufEntryValue): Pick<GgufPlan, 'entries'> {
  return { entries: [...SMALL_PLAN.entries.filter(([other]) => other !== key), [key, value]] }
}

/** `SMALL_PLAN`'s tensors with something changed in the second. */
export function withTensor(changes: Partial<GgufTensorPlan>): Pick<GgufPlan, 'tensors'> {
  const [first, second] = SMALL_PLAN.tensors as readonly [GgufTensorPlan, GgufTensorPlan]
  return { tensors: [first, { ...second, ...changes }] }
}

export function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32LE(value)
  return bytes
}

export function uint64(value: bigint): Buffer {
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64LE(value)
  return bytes
}

function string(text: string): Buffer {
  const bytes = Buffer.from(text)
  return Buffer.concat([uint64(BigInt(bytes.length)), bytes])
}

function tensorBytes({ name, dimensions, type, offset }: GgufTensorPlan): Buffer {
  return Buffer.concat([
    string(name),
    uint32(dimensions.length),
    ...dimensions.map(uint64),
    uint32(type),
    uint64(offset),
  ])
}

function bytesOf(entry: GgufEntryValue): Buffer {
  switch (entry.type) {
    case 'uint8':
    case 'bool':
      return Buffer.of(entry.value)
    case 'uint32':
      return uint32(entry.value)
    case 'int32':
      return uint32(entry.value >>> 0)
    case 'float32': {
      const bytes = Buffer.alloc(4)
      bytes.writeFloatLE(entry.value)
      return bytes
    }
    case 'uint64':
      return uint64(entry.value)
    case 'string':
      return string(entry.value)
    case 'array': {
      const count = entry.count ?? BigInt(entry.values.length)
      return Buffer.concat([uint32(TYPE_NUMBERS[entry.of]), uint64(count), ...entry.values.map(bytesOf)])
    }
    default:
      return unreachable(entry)
  }
}
