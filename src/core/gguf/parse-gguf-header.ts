/** Parses and checks the header of a GGUF file (ggml's docs/gguf.md, versions 2 and 3) before any engine sees it. */
import { limit } from '../limits.ts'
import { GGML_TYPES } from './ggml-types.ts'
import { type GgufHeader, type GgufTensor, type GgufValue, ggufInvalid, type ReadBytes } from './gguf-header.ts'
import { GgufReader } from './gguf-reader.ts'
import { readStringLength, readValue } from './gguf-values.ts'

const MAGIC = 0x46554747 // the bytes "GGUF", read little-endian
const DEFAULT_ALIGNMENT = 32
const MOST_DIMENSIONS = 4
/** Bounds that the specification sets. */
const KEY_BYTES = 65_535
const TENSOR_NAME_BYTES = 64
/** The specification says lower_snake_case between dots; files in use also have capitals and hyphens (`gpt-oss.block_count`). */
const KEY = /^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$/
/** Text without control characters. */
const PRINTABLE = /^\P{Cc}+$/u
const ARCHITECTURE = /^[A-Za-z0-9_.-]{1,64}$/
/** The least bytes that one metadata entry and one tensor entry can take. */
const ENTRY_BYTES = 8 + 1 + 4 + 1
const TENSOR_BYTES = 8 + 1 + 4 + 8 + 4 + 8

/**
 * Throws `gguf_invalid` that names the fault and its byte offset, never the file's content. Large values are passed over, so memory
 * stays at one window and the small values. `read` brings its own way to be cancelled; what it throws is passed on.
 */
export async function parseGgufHeader(read: ReadBytes, fileSizeBytes: number): Promise<GgufHeader> {
  const reader = new GgufReader(read, fileSizeBytes)
  await reader.fill(24)
  if (reader.uint32() !== MAGIC) throw ggufInvalid('the first four bytes are not GGUF', 0)
  const version = reader.uint32()
  if (version !== 2 && version !== 3) throw ggufInvalid(versionFault(version), 4)
  const tensorCount = readCount(reader, 'tensors', limit('ggufTensors'), TENSOR_BYTES)
  const entryCount = readCount(reader, 'metadata entries', limit('ggufMetadataEntries'), ENTRY_BYTES)
  const metadata = await readMetadata(reader, entryCount)
  const alignment = alignmentOf(metadata, reader.position)
  const architecture = metadata.get('general.architecture')
  if (typeof architecture !== 'string' || !ARCHITECTURE.test(architecture)) {
    throw ggufInvalid('general.architecture is missing or not a name', reader.position)
  }
  const table = await readTensors(reader, tensorCount, alignment)
  const headerBytes = reader.position
  const dataOffset = alignUp(headerBytes, alignment)
  const tensors = table.map((row) => placeTensor(row, dataOffset, fileSizeBytes))
  refuseOverlaps(tensors)
  return { version, architecture, alignment, metadata, tensors, headerBytes, dataOffset, fileSizeBytes }
}

function versionFault(version: number): string {
  if (version === 1) return 'version 1 is no longer supported'
  // A small number in the upper bytes is a version written big-endian.
  if (version > 0 && (version & 0xffff) === 0) return 'it is written for a big-endian machine'
  return `version ${version} is unknown`
}

/** A count, refused where so many could not fit: before anything is allocated for them. */
function readCount(reader: GgufReader, what: string, most: number, leastBytesEach: number): number {
  const at = reader.position
  const count = reader.size(`the number of ${what}`)
  if (count > most) throw ggufInvalid(`${count} ${what} are more than ${most}`, at)
  if (count * leastBytesEach > reader.remaining) throw ggufInvalid(`${count} ${what} do not fit in the file`, at)
  return count
}

async function readMetadata(reader: GgufReader, count: number): Promise<Map<string, GgufValue>> {
  const metadata = new Map<string, GgufValue>()
  for (let index = 0; index < count; index += 1) {
    await reader.fill(8)
    const at = reader.position
    const key = await reader.text(readStringLength(reader, 'a key', KEY_BYTES), 'a key')
    if (!KEY.test(key)) throw ggufInvalid(`the key of metadata entry ${index} is not a dotted name`, at)
    if (metadata.has(key)) throw ggufInvalid(`metadata entry ${index} repeats a key`, at)
    metadata.set(key, await readValue(reader))
  }
  return metadata
}

function alignmentOf(metadata: ReadonlyMap<string, GgufValue>, at: number): number {
  const value = metadata.get('general.alignment') ?? DEFAULT_ALIGNMENT
  // The specification asks for a multiple of 8, the engines for a power of two.
  if (typeof value !== 'number' || value < 8 || value > 2 ** 31 || !Number.isInteger(Math.log2(value))) {
    throw ggufInvalid('general.alignment is not a power of two from 8 on', at)
  }
  return value
}

function alignUp(offset: number, alignment: number): number {
  return Math.ceil(offset / alignment) * alignment
}

/** A row of the tensor table; its offset still counts from the start of the data. */
interface TensorRow extends Omit<GgufTensor, 'offset'> {
  readonly dataOffset: number
  readonly rowAt: number
}

async function readTensors(reader: GgufReader, count: number, alignment: number): Promise<TensorRow[]> {
  const rows: TensorRow[] = []
  const names = new Set<string>()
  for (let index = 0; index < count; index += 1) {
    const row = await readTensor(reader, index, alignment)
    if (names.has(row.name)) throw ggufInvalid(`tensor ${index} repeats a name`, row.rowAt)
    names.add(row.name)
    rows.push(row)
  }
  return rows
}

async function readTensor(reader: GgufReader, index: number, alignment: number): Promise<TensorRow> {
  await reader.fill(8)
  const rowAt = reader.position
  const name = await reader.text(readStringLength(reader, 'a tensor name', TENSOR_NAME_BYTES), 'a tensor name')
  if (!PRINTABLE.test(name)) throw ggufInvalid(`tensor ${index} has no printable name`, rowAt)
  await reader.fill(4)
  const rank = reader.uint32()
  if (rank < 1 || rank > MOST_DIMENSIONS) throw ggufInvalid(`tensor ${index} has ${rank} dimensions`, rowAt)
  await reader.fill(rank * 8 + 12)
  const dimensions: number[] = []
  let items = 1
  for (let axis = 0; axis < rank; axis += 1) {
    const length = reader.size(`a dimension of tensor ${index}`)
    items *= length
    if (length === 0 || !Number.isSafeInteger(items))
      throw ggufInvalid(`tensor ${index} has an impossible shape`, rowAt)
    dimensions.push(length)
  }
  const number = reader.uint32()
  const type = GGML_TYPES.get(number)
  if (type === undefined) throw ggufInvalid(`tensor ${index} has the unknown type ${number}`, rowAt)
  if ((dimensions[0] as number) % type.blockItems !== 0) {
    throw ggufInvalid(`a row of tensor ${index} is not a whole number of ${type.name} blocks`, rowAt)
  }
  const dataOffset = reader.size(`the offset of tensor ${index}`)
  if (dataOffset % alignment !== 0)
    throw ggufInvalid(`the offset of tensor ${index} is not aligned to ${alignment}`, rowAt)
  const sizeBytes = (items / type.blockItems) * type.blockBytes
  return { name, type: number, dimensions, items, dataOffset, sizeBytes, rowAt }
}

function placeTensor({ dataOffset, rowAt, ...tensor }: TensorRow, start: number, fileSizeBytes: number): GgufTensor {
  const offset = start + dataOffset
  if (offset + tensor.sizeBytes > fileSizeBytes) {
    throw ggufInvalid(`a tensor of ${tensor.sizeBytes} bytes at ${offset} reaches past the end of the file`, rowAt)
  }
  return { ...tensor, offset }
}

function refuseOverlaps(tensors: readonly GgufTensor[]): void {
  const byOffset = tensors.toSorted((a, b) => a.offset - b.offset)
  let end = 0
  for (const tensor of byOffset) {
    if (tensor.offset < end) throw ggufInvalid('two tensors overlap', tensor.offset)
    end = tensor.offset + tensor.sizeBytes
  }
}
