/** Model files in a folder on disk. */
import type { Dirent } from 'node:fs'
import { type FileHandle, opendir, rm, stat, statfs } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { HeddleError } from '../../core/errors.ts'
import { asUnixMs } from '../../core/ids.ts'
import { limit } from '../../core/limits.ts'
import { isSafePart, type ModelFileName, parseModelFileName } from '../../core/models/model-file-name.ts'
import type {
  ModelFileEntry,
  ModelFileList,
  ModelFilePart,
  ModelFiles,
  OpenModelFile,
  RecordedDigest,
  SkippedFile,
} from '../../ports/model-files.ts'
import { openConfined, pathIn, statConfined } from './confined-path.ts'
import { isMissing } from './disk-errors.ts'
import { DIGEST_NOTE, openDiskPart, PART, PART_LOCK, PART_NOTE } from './disk-model-part.ts'
import { hashFile, readDigestNote, writeDigestNote } from './file-digest.ts'

interface Waiting {
  readonly signal: AbortSignal
}

export interface DiskModelFilesOptions {
  readonly folder: string
  readonly readOnly: boolean
}

export class DiskModelFiles implements ModelFiles {
  readonly location: string
  readonly readOnly: boolean
  /** Lock files that parts of this process hold. */
  readonly #locks = new Set<string>()

  constructor({ folder, readOnly }: DiskModelFilesOptions) {
    this.location = resolve(folder)
    this.readOnly = readOnly
  }

  async list({ signal }: Waiting): Promise<ModelFileList> {
    const search = new FolderSearch(this.location, signal)
    await search.visit([])
    const files: ModelFileEntry[] = []
    for (const name of search.names.toSorted()) {
      const entry = await this.stat(name, { signal })
      if (entry !== undefined) files.push(entry)
    }
    return { files, skipped: search.skipped }
  }

  async stat(name: ModelFileName, { signal }: Waiting): Promise<ModelFileEntry | undefined> {
    signal.throwIfAborted()
    const facts = await statConfined(this.location, name)
    if (facts === undefined) return undefined
    return { name, sizeBytes: facts.size, modifiedAt: asUnixMs(Math.round(facts.mtimeMs)) }
  }

  async open(name: ModelFileName, { signal }: Waiting): Promise<OpenModelFile> {
    const file = await this.#open(name, signal)
    const { size } = await file.stat()
    return new DiskModelFile(file, size)
  }

  pathOf(name: ModelFileName): string {
    return pathIn(this.location, name)
  }

  async remove(name: ModelFileName, { signal }: Waiting): Promise<boolean> {
    this.#refuseReadOnly()
    const path = this.pathOf(name)
    const found = await this.stat(name, { signal })
    if (this.#locks.has(path + PART_LOCK)) throw new HeddleError('conflict', `${name} is being written`)
    if (found !== undefined) await rm(path)
    for (const suffix of [DIGEST_NOTE, PART, PART_NOTE]) await rm(path + suffix, { force: true })
    return found !== undefined
  }

  async freeBytes({ signal }: Waiting): Promise<number> {
    for (let folder = this.location; ; folder = dirname(folder)) {
      signal.throwIfAborted()
      try {
        const { bavail, bsize } = await statfs(folder)
        return bavail * bsize
      } catch (error) {
        // The folder is made at the first pull; its parent is on the same disk until then.
        if (!isMissing(error) || dirname(folder) === folder) throw error
      }
    }
  }

  async recordedDigest(name: ModelFileName, { signal }: Waiting): Promise<RecordedDigest | undefined> {
    const entry = await this.stat(name, { signal })
    if (entry === undefined) return undefined
    return await readDigestNote(this.pathOf(name) + DIGEST_NOTE, versionOf(entry))
  }

  async digest(name: ModelFileName, { signal }: Waiting): Promise<string> {
    const recorded = await this.recordedDigest(name, { signal })
    if (recorded !== undefined) return recorded.sha256
    await using file = await this.#open(name, signal)
    const before = await this.stat(name, { signal })
    const sha256 = (await hashFile(file, { signal })).digest('hex')
    const after = await this.stat(name, { signal })
    const unchanged =
      after !== undefined && before?.modifiedAt === after.modifiedAt && before.sizeBytes === after.sizeBytes
    if (unchanged && !this.readOnly) {
      // The note only saves the next reading.
      await writeDigestNote(this.pathOf(name) + DIGEST_NOTE, versionOf(after), { sha256, origin: undefined }).catch(
        () => undefined,
      )
    }
    return sha256
  }

  async openPart(name: ModelFileName, { signal }: Waiting): Promise<ModelFilePart> {
    this.#refuseReadOnly()
    signal.throwIfAborted()
    return await openDiskPart({ root: this.location, locks: this.#locks }, name, { signal })
  }

  #refuseReadOnly(): void {
    if (this.readOnly) throw new HeddleError('conflict', 'the models that come with heddle cannot be changed')
  }

  async #open(name: ModelFileName, signal: AbortSignal): Promise<FileHandle> {
    signal.throwIfAborted()
    const file = await openConfined(this.location, name)
    if (file === undefined) throw new HeddleError('not_found', `there is no model file ${name}`)
    return file
  }
}

function versionOf({ sizeBytes, modifiedAt }: ModelFileEntry): { sizeBytes: number; modifiedMs: number } {
  return { sizeBytes, modifiedMs: modifiedAt }
}

class DiskModelFile implements OpenModelFile {
  readonly sizeBytes: number
  readonly #file: FileHandle

  constructor(file: FileHandle, sizeBytes: number) {
    this.#file = file
    this.sizeBytes = sizeBytes
  }

  async read(offset: number, length: number, { signal }: Waiting): Promise<Uint8Array> {
    signal.throwIfAborted()
    const { buffer, bytesRead } = await this.#file.read(new Uint8Array(length), 0, length, offset)
    return buffer.subarray(0, bytesRead)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#file.close()
  }
}

/** Looks through a folder and those in it, bounded in depth and in files looked at. */
class FolderSearch {
  readonly names: ModelFileName[] = []
  readonly skipped: SkippedFile[] = []
  readonly #root: string
  readonly #signal: AbortSignal
  #looked = 0

  constructor(root: string, signal: AbortSignal) {
    this.#root = root
    this.#signal = signal
  }

  async visit(parts: readonly string[]): Promise<void> {
    const folder = await opendir(join(this.#root, ...parts)).catch((error: unknown) => {
      if (isMissing(error)) return undefined
      throw error
    })
    if (folder === undefined) return
    const below: string[][] = []
    for await (const entry of folder) {
      this.#signal.throwIfAborted()
      this.#looked += 1
      if (this.#looked > limit('modelFiles')) {
        this.skipped.push({
          name: parts.join('/'),
          reason: `only the first ${limit('modelFiles')} files are looked at`,
        })
        return
      }
      if (entry.isDirectory() && isSafePart(entry.name)) below.push([...parts, entry.name])
      else await this.#look(parts, entry)
    }
    for (const next of below.toSorted((a, b) => (a.join('/') < b.join('/') ? -1 : 1))) {
      if (next.length <= limit('modelFolderDepth')) await this.visit(next)
      if (this.#looked > limit('modelFiles')) return
    }
  }

  async #look(parts: readonly string[], entry: Dirent): Promise<void> {
    const text = [...parts, entry.name].join('/')
    const named = entry.name.toLowerCase().endsWith('.gguf')
    if (entry.isSymbolicLink() && (named || (await this.#isFolder(text)))) {
      this.skipped.push({ name: text, reason: 'it is a link; links out of the models folder are not followed' })
    } else if (named && entry.isFile()) {
      const name = parseModelFileName(text)
      if (name === undefined)
        this.skipped.push({ name: text, reason: 'its name has characters that are not safe; rename it' })
      else this.names.push(name)
    }
  }

  async #isFolder(text: string): Promise<boolean> {
    return await stat(join(this.#root, text)).then(
      (facts) => facts.isDirectory(),
      () => false, // the link leads nowhere
    )
  }
}
