/** What a validated GGUF header holds. */
import { HeddleError } from '../errors.ts'

/** A metadata array: counted, and its numbers kept only where they are few. */
export interface GgufArray {
  readonly kind: 'array'
  readonly count: number
  /** The elements of a short array of numbers, e.g. one head count for each layer. */
  readonly numbers: readonly number[] | undefined
}

/** A string too long to keep: only its length is known. */
export interface GgufLongString {
  readonly kind: 'long-string'
  readonly sizeBytes: number
}

/** A 64-bit integer that a number cannot hold exactly is a bigint. */
export type GgufValue = number | bigint | boolean | string | GgufArray | GgufLongString

export interface GgufTensor {
  readonly name: string
  /** The number of its ggml type; a key of `GGML_TYPES`. */
  readonly type: number
  readonly dimensions: readonly number[]
  readonly items: number
  /** From the start of the file. */
  readonly offset: number
  readonly sizeBytes: number
}

export interface GgufHeader {
  readonly version: 2 | 3
  readonly architecture: string
  readonly alignment: number
  readonly metadata: ReadonlyMap<string, GgufValue>
  readonly tensors: readonly GgufTensor[]
  /** Magic, metadata and tensor table, without the padding after them. */
  readonly headerBytes: number
  /** Where the tensors' bytes begin. */
  readonly dataOffset: number
  readonly fileSizeBytes: number
}

/** Reads `length` bytes at `offset`; fewer only where the file ends. */
export type ReadBytes = (offset: number, length: number) => Promise<Uint8Array>

/** The error for a file that breaks the format. `what` never holds anything read from the file but numbers. */
export function ggufInvalid(what: string, offset: number): HeddleError {
  return new HeddleError('gguf_invalid', `not a valid GGUF file: ${what} (at byte ${offset})`, { metadata: { offset } })
}
