/** What people and the router want to know about a GGUF file, taken from its header. */
import { FILE_TYPE_NAMES, GGML_TYPES } from './ggml-types.ts'
import type { GgufHeader, GgufTensor } from './gguf-header.ts'

export interface GgufSummary {
  readonly architecture: string
  /** `general.type`: `model` where the file does not say; also `adapter`, `mmproj`, … */
  readonly kind: string
  /** As the file calls itself; for people only. */
  readonly name: string | undefined
  readonly license: string | undefined
  /** The context that the model was trained for. */
  readonly contextTokens: number | undefined
  /** Weights in all tensors. */
  readonly parameters: number
  /** E.g. `Q4_K_M`: what the file says of itself, else the type of most of its bytes. */
  readonly quantisation: string
  readonly vocabularySize: number | undefined
  readonly hasChatTemplate: boolean
  /** Whether its hidden states are meant to be pooled into embeddings. */
  readonly isEmbeddingModel: boolean
  readonly blockCount: number | undefined
  readonly embeddingLength: number | undefined
  readonly headCount: number | undefined
  readonly kvHeadCount: number | undefined
  /** How many files the model is split over. */
  readonly splitCount: number
  readonly tensorBytes: number
}

/** Longest text of the file that is shown. */
const SHOWN_CHARACTERS = 120

export function summariseGguf(header: GgufHeader): GgufSummary {
  const { architecture } = header
  const headCount = wholeOf(header, `${architecture}.attention.head_count`)
  return {
    architecture,
    kind: textOf(header, 'general.type') ?? 'model',
    name: textOf(header, 'general.name'),
    license: textOf(header, 'general.license'),
    contextTokens: wholeOf(header, `${architecture}.context_length`),
    parameters: header.tensors.reduce((sum, tensor) => sum + tensor.items, 0),
    quantisation: quantisationOf(header),
    vocabularySize: countOf(header, 'tokenizer.ggml.tokens') ?? wholeOf(header, `${architecture}.vocab_size`),
    hasChatTemplate: hasText(header, 'tokenizer.chat_template'),
    isEmbeddingModel: header.metadata.has(`${architecture}.pooling_type`),
    blockCount: wholeOf(header, `${architecture}.block_count`),
    embeddingLength: wholeOf(header, `${architecture}.embedding_length`),
    headCount,
    kvHeadCount: wholeOf(header, `${architecture}.attention.head_count_kv`) ?? headCount,
    splitCount: wholeOf(header, 'split.count') ?? 1,
    tensorBytes: header.tensors.reduce((sum, tensor) => sum + tensor.sizeBytes, 0),
  }
}

/** A text for display: control characters and line breaks become spaces, long ones are cut. */
function textOf({ metadata }: GgufHeader, key: string): string | undefined {
  const value = metadata.get(key)
  if (typeof value !== 'string') return undefined
  const shown = value.replaceAll(/[\p{C}\p{Z}]+/gu, ' ').trim()
  return shown === '' ? undefined : shown.slice(0, SHOWN_CHARACTERS)
}

function hasText({ metadata }: GgufHeader, key: string): boolean {
  const value = metadata.get(key)
  if (typeof value === 'string') return value !== ''
  return typeof value === 'object' && value.kind === 'long-string'
}

/** A whole number; of one for each layer, the largest. */
function wholeOf({ metadata }: GgufHeader, key: string): number | undefined {
  const value = metadata.get(key)
  const number = typeof value === 'object' && value.kind === 'array' ? largestOf(value.numbers ?? []) : value
  return typeof number === 'number' && Number.isSafeInteger(number) && number >= 0 ? number : undefined
}

function largestOf(numbers: readonly number[]): number | undefined {
  return numbers.length === 0 ? undefined : Math.max(...numbers)
}

function countOf({ metadata }: GgufHeader, key: string): number | undefined {
  const value = metadata.get(key)
  return typeof value === 'object' && value.kind === 'array' ? value.count : undefined
}

function quantisationOf(header: GgufHeader): string {
  const fileType = wholeOf(header, 'general.file_type')
  const named = fileType === undefined ? undefined : FILE_TYPE_NAMES.get(fileType)
  return named ?? GGML_TYPES.get(mainTypeOf(header.tensors) ?? -1)?.name ?? 'none'
}

/** The tensor type that holds most of the bytes. */
function mainTypeOf(tensors: readonly GgufTensor[]): number | undefined {
  const bytes = new Map<number, number>()
  for (const tensor of tensors) bytes.set(tensor.type, (bytes.get(tensor.type) ?? 0) + tensor.sizeBytes)
  return [...bytes].toSorted((a, b) => b[1] - a[1])[0]?.[0]
}
