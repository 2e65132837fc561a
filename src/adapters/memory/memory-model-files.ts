/** Model files in memory, for tests: a folder with a size that can be full. */
import { createHash } from 'node:crypto'
import { HeddleError } from '../../core/errors.ts'
import { asUnixMs } from '../../core/ids.ts'
import { type ModelFileName, parseModelFileName } from '../../core/models/model-file-name.ts'
import type {
  ModelFileEntry,
  ModelFileList,
  ModelFileOrigin,
  ModelFilePart,
  ModelFiles,
  OpenModelFile,
  RecordedDigest,
} from '../../ports/model-files.ts'

interface Waiting {
  readonly signal: AbortSignal
}

interface StoredFile {
  readonly bytes: Uint8Array
  readonly modifiedMs: number
  readonly recorded: RecordedDigest | undefined
}

interface StoredPart {
  readonly bytes: Uint8Array
  readonly origin: ModelFileOrigin | undefined
}

export interface MemoryModelFilesOptions {
  readonly readOnly?: boolean
  readonly capacityBytes?: number
  readonly files?: Map<ModelFileName, StoredFile>
}

export class MemoryModelFiles implements ModelFiles {
  readonly location = 'memory'
  readonly readOnly: boolean
  /** Bytes that all files and parts together may have. */
  readonly capacityBytes: number
  readonly files: Map<ModelFileName, StoredFile>
  readonly parts = new Map<ModelFileName, StoredPart>()
  readonly #open = new Set<ModelFileName>()
  #writes = 0

  constructor({
    readOnly = false,
    capacityBytes = Number.MAX_SAFE_INTEGER,
    files = new Map(),
  }: MemoryModelFilesOptions = {}) {
    this.readOnly = readOnly
    this.capacityBytes = capacityBytes
    this.files = files
  }

  /** The same files, for reading only. */
  asReadOnly(): MemoryModelFiles {
    return new MemoryModelFiles({ readOnly: true, capacityBytes: this.capacityBytes, files: this.files })
  }

  /** Puts a finished file there, as a person with a file manager would. */
  put(name: string, bytes: Uint8Array): ModelFileName {
    const parsed = named(name)
    this.#writes += 1
    this.files.set(parsed, { bytes, modifiedMs: this.#writes, recorded: undefined })
    return parsed
  }

  async list({ signal }: Waiting): Promise<ModelFileList> {
    signal.throwIfAborted()
    const names = [...this.files.keys()].toSorted()
    return { files: names.flatMap((name) => this.#entry(name) ?? []), skipped: [] }
  }

  async stat(name: ModelFileName, { signal }: Waiting): Promise<ModelFileEntry | undefined> {
    signal.throwIfAborted()
    return this.#entry(named(name))
  }

  async open(name: ModelFileName, { signal }: Waiting): Promise<OpenModelFile> {
    signal.throwIfAborted()
    const { bytes } = this.#file(name)
    return {
      sizeBytes: bytes.length,
      read: async (offset, length, options) => sliceOf(bytes, offset, length, options),
      [Symbol.asyncDispose]: async () => undefined,
    }
  }

  pathOf(name: ModelFileName): string {
    return `memory/${named(name)}`
  }

  async remove(name: ModelFileName, { signal }: Waiting): Promise<boolean> {
    signal.throwIfAborted()
    this.#refuseReadOnly()
    if (this.#open.has(named(name))) throw new HeddleError('conflict', `${name} is being written`)
    this.parts.delete(name)
    return this.files.delete(name)
  }

  async freeBytes({ signal }: Waiting): Promise<number> {
    signal.throwIfAborted()
    return this.capacityBytes - this.#usedBytes()
  }

  async recordedDigest(name: ModelFileName, { signal }: Waiting): Promise<RecordedDigest | undefined> {
    signal.throwIfAborted()
    return this.files.get(named(name))?.recorded
  }

  async digest(name: ModelFileName, { signal }: Waiting): Promise<string> {
    signal.throwIfAborted()
    const file = this.#file(name)
    const sha256 = file.recorded?.sha256 ?? sha256Of(file.bytes)
    if (file.recorded === undefined && !this.readOnly)
      this.files.set(name, { ...file, recorded: { sha256, origin: undefined } })
    return sha256
  }

  async openPart(name: ModelFileName, { signal }: Waiting): Promise<ModelFilePart> {
    signal.throwIfAborted()
    this.#refuseReadOnly()
    if (this.#open.has(named(name))) throw new HeddleError('conflict', `${name} is being written already by this node`)
    this.#open.add(name)
    if (!this.parts.has(name)) this.parts.set(name, { bytes: new Uint8Array(0), origin: undefined })
    const part = (): StoredPart => this.parts.get(name) ?? { bytes: new Uint8Array(0), origin: undefined }
    const close = async (): Promise<void> => void this.#open.delete(name)
    return {
      get sizeBytes() {
        return part().bytes.length
      },
      get origin() {
        return part().origin
      },
      restart: async (origin) => void this.parts.set(name, { bytes: new Uint8Array(0), origin }),
      append: async (bytes, options) => {
        options.signal.throwIfAborted()
        const room = bytes.subarray(0, this.capacityBytes - this.#usedBytes())
        this.parts.set(name, { ...part(), bytes: Buffer.concat([part().bytes, room]) })
        if (room.length < bytes.length) throw new HeddleError('storage_full', 'the disk is full: memory')
      },
      read: async (offset, length, options) => sliceOf(part().bytes, offset, length, options),
      digest: () => sha256Of(part().bytes),
      commit: async () => this.#commit(name, part()),
      discard: async () => {
        this.parts.delete(name)
        await close()
      },
      [Symbol.asyncDispose]: close,
    }
  }

  #commit(name: ModelFileName, { bytes, origin }: StoredPart): void {
    if (this.files.has(name)) throw new HeddleError('conflict', 'a file of that name has appeared meanwhile')
    this.parts.delete(name)
    this.put(name, bytes)
    this.files.set(name, { ...this.#file(name), recorded: { sha256: sha256Of(bytes), origin } })
  }

  #usedBytes(): number {
    const stored = [...this.files.values(), ...this.parts.values()]
    return stored.reduce((sum, { bytes }) => sum + bytes.length, 0)
  }

  #entry(name: ModelFileName): ModelFileEntry | undefined {
    const file = this.files.get(name)
    return file === undefined
      ? undefined
      : { name, sizeBytes: file.bytes.length, modifiedAt: asUnixMs(file.modifiedMs) }
  }

  #file(name: ModelFileName): StoredFile {
    const file = this.files.get(named(name))
    if (file === undefined) throw new HeddleError('not_found', `there is no model file ${name}`)
    return file
  }

  #refuseReadOnly(): void {
    if (this.readOnly) throw new HeddleError('conflict', 'the models that come with heddle cannot be changed')
  }
}

function named(text: string): ModelFileName {
  const name = parseModelFileName(text)
  if (name === undefined) throw new HeddleError('invalid_request', 'not a name for a model file')
  return name
}

function sha256Of(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}

function sliceOf(bytes: Uint8Array, offset: number, length: number, { signal }: Waiting): Uint8Array {
  signal.throwIfAborted()
  return bytes.slice(offset, offset + length)
}
