/** The model files inside one folder, and the files that are still on their way into it. */
import type { UnixMs } from '../core/ids.ts'
import type { ModelFileName } from '../core/models/model-file-name.ts'

interface Waiting {
  readonly signal: AbortSignal
}

export interface ModelFileEntry {
  readonly name: ModelFileName
  readonly sizeBytes: number
  readonly modifiedAt: UnixMs
}

/** A file that ends in `.gguf` and may not be opened, with the reason for people. */
export interface SkippedFile {
  readonly name: string
  readonly reason: string
}

export interface ModelFileList {
  readonly files: readonly ModelFileEntry[]
  readonly skipped: readonly SkippedFile[]
}

/** A file that is open for reading. */
export interface OpenModelFile extends AsyncDisposable {
  readonly sizeBytes: number
  /** Fewer bytes than asked for only where the file ends. */
  read(offset: number, length: number, options: Waiting): Promise<Uint8Array>
}

/** Where a file came from and what it was, kept beside it. */
export interface ModelFileOrigin {
  /** Address without credentials and query. */
  readonly source: string
  /** What tells one version at the source from another, e.g. a strong ETag. */
  readonly validator: string | undefined
  readonly sizeBytes: number
}

export interface RecordedDigest {
  /** Lower-case hex. */
  readonly sha256: string
  readonly origin: ModelFileOrigin | undefined
}

/** A file that is being written under a name of its own until it is whole. */
export interface ModelFilePart extends AsyncDisposable {
  /** Bytes that it has. */
  readonly sizeBytes: number
  /** What was noted about its source. */
  readonly origin: ModelFileOrigin | undefined
  /** Notes the source and drops the bytes that there were. */
  restart(origin: ModelFileOrigin, options: Waiting): Promise<void>
  /** Adds bytes at the end; `storage_full` where the disk is, the bytes so far stay. */
  append(bytes: Uint8Array, options: Waiting): Promise<void>
  read(offset: number, length: number, options: Waiting): Promise<Uint8Array>
  /** SHA-256 of what it has, lower-case hex. */
  digest(): string
  /** Makes it the finished file, atomically, and records its digest; `conflict` where a file of that name is already. */
  commit(options: Waiting): Promise<void>
  /** Deletes it. */
  discard(): Promise<void>
}

/**
 * Every implementation promises (test/contracts/model-files.contract.ts checks it):
 * - nothing outside the folder is read, written, listed or deleted, whatever the name, and links are never followed;
 * - a file is seen by `list`, `stat` and `open` only when it is whole; a part survives disposal and is found again by `openPart`;
 * - only one part of a name is open at a time: a second `openPart` is refused with `conflict`;
 * - a recorded digest is forgotten when its file has changed since;
 * - a folder that may only be read refuses `openPart` and `remove` with `conflict`.
 */
export interface ModelFiles {
  /** The folder, for people. */
  readonly location: string
  readonly readOnly: boolean
  /** Bounded in files and depth by `core/limits.ts`; empty where there is no folder yet. */
  list(options: Waiting): Promise<ModelFileList>
  stat(name: ModelFileName, options: Waiting): Promise<ModelFileEntry | undefined>
  /** `not_found` where there is no such file. */
  open(name: ModelFileName, options: Waiting): Promise<OpenModelFile>
  /** Absolute path, for an engine that opens the file itself. */
  pathOf(name: ModelFileName): string
  /** Deletes the file, its recorded digest and any part of it; false where there was no such file. */
  remove(name: ModelFileName, options: Waiting): Promise<boolean>
  freeBytes(options: Waiting): Promise<number>
  /** What was recorded of this very file. */
  recordedDigest(name: ModelFileName, options: Waiting): Promise<RecordedDigest | undefined>
  /** SHA-256 of the file, read whole unless it was recorded; recorded where the folder may be written. */
  digest(name: ModelFileName, options: Waiting): Promise<string>
  /** Opens or begins the part of `name`; reads what it has to know its digest. */
  openPart(name: ModelFileName, options: Waiting): Promise<ModelFilePart>
}
