/** The models in the models folders: what is offered, what is refused and why. */
import { HeddleError } from '../core/errors.ts'
import type { GgufSummary } from '../core/gguf/gguf-summary.ts'
import type { UnixMs } from '../core/ids.ts'
import { limit } from '../core/limits.ts'
import { type ModelFileName, modelIdOf } from '../core/models/model-file-name.ts'
import type { Clock, Timer } from '../ports/clock.ts'
import type { Logger } from '../ports/logger.ts'
import type { ModelFileEntry, ModelFiles } from '../ports/model-files.ts'
import { readOfferable } from './offerable.ts'

export interface ModelFolder {
  readonly files: ModelFiles
  /** Whether the folder came with the package. */
  readonly origin: 'embedded' | 'user'
}

export interface LibraryModel {
  /** File name without `.gguf`, sub-folders before it: `name` or `org/name`. */
  readonly id: string
  readonly fileName: ModelFileName
  readonly origin: ModelFolder['origin']
  /** Absolute path, for the engine. */
  readonly path: string
  readonly sizeBytes: number
  readonly modifiedAt: UnixMs
  /** SHA-256 of the file, lower-case hex, where it is known without reading a large file. */
  readonly digest: string | undefined
  readonly summary: GgufSummary
}

/** A file in a models folder that is not offered. */
export interface RefusedFile {
  readonly folder: string
  readonly fileName: string
  readonly reason: string
}

interface Waiting {
  readonly signal: AbortSignal
}

/** What was found out about one version of a file. */
interface Inspection {
  readonly entry: ModelFileEntry
  readonly digest: string | undefined
  readonly outcome: { readonly summary: GgufSummary } | { readonly reason: string; readonly passing: boolean }
}

interface Contents {
  readonly models: readonly LibraryModel[]
  readonly refused: readonly RefusedFile[]
}

/** A larger file is not hashed for the list: reading it would take longer than a person waits. */
const HASHED_BYTES = 64 * 1024 * 1024

/** Where two files have the same id, the earlier folder wins. Nothing is known before the first `rescan`. */
export class ModelLibrary {
  readonly #clock: Clock
  readonly #log: Logger
  readonly #folders: readonly ModelFolder[]
  readonly #inspections = new Map<ModelFiles, Map<ModelFileName, Inspection>>()
  readonly #listeners = new Set<() => void>()
  #contents: Contents = { models: [], refused: [] }
  #scanning: Promise<void> = Promise.resolve()

  constructor({ clock, log }: { readonly clock: Clock; readonly log: Logger }, folders: readonly ModelFolder[]) {
    this.#clock = clock
    this.#log = log
    this.#folders = folders
  }

  /** The models on offer, by id. */
  list(): readonly LibraryModel[] {
    return this.#contents.models
  }

  refused(): readonly RefusedFile[] {
    return this.#contents.refused
  }

  find(id: string): LibraryModel | undefined {
    return this.#contents.models.find((model) => model.id === id)
  }

  /** Calls `listener` after each change of the lists; the result stops that. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => void this.#listeners.delete(listener)
  }

  /** Looks through the folders now; scans never overlap. */
  async rescan({ signal }: Waiting): Promise<void> {
    const scan = this.#scanning.then(() => this.#scan(signal))
    // The next scan waits for this one, whatever became of it.
    this.#scanning = scan.catch(() => undefined)
    await scan
  }

  /** Looks again every few seconds until disposed. */
  watch(): Disposable {
    const stop = new AbortController()
    let timer: Timer | undefined
    const next = (): void => {
      timer = this.#clock.after(limit('modelScanMs'), () => {
        this.rescan({ signal: stop.signal })
          .catch((error: unknown) => {
            if (!stop.signal.aborted) this.#log.warn({ error }, 'cannot look through the models folders')
          })
          .finally(() => {
            if (!stop.signal.aborted) next()
          })
      })
    }
    next()
    return {
      [Symbol.dispose]: () => {
        stop.abort()
        timer?.cancel()
      },
    }
  }

  /** Deletes a model's file; `conflict` for one that came with the package. */
  async remove(id: string, { signal }: Waiting): Promise<void> {
    const model = this.find(id)
    if (model === undefined) throw new HeddleError('model_not_found', `there is no model file for ${id}`)
    if (model.origin === 'embedded') throw new HeddleError('conflict', `${id} comes with heddle and cannot be removed`)
    const folder = this.#folders.find(
      ({ files, origin }) => origin === 'user' && files.pathOf(model.fileName) === model.path,
    )
    await folder?.files.remove(model.fileName, { signal })
    this.#log.info({ model: id }, 'model removed')
    await this.rescan({ signal })
  }

  async #scan(signal: AbortSignal): Promise<void> {
    const models = new Map<string, LibraryModel>()
    const refused: RefusedFile[] = []
    for (const folder of this.#folders) {
      const refuse = (fileName: string, reason: string): void =>
        void refused.push({ folder: folder.files.location, fileName, reason })
      const { files, skipped } = await folder.files.list({ signal })
      for (const { name, reason } of skipped) refuse(name, reason)
      for (const inspection of await this.#inspectAll(folder.files, files, signal)) {
        const { entry, outcome, digest } = inspection
        const id = modelIdOf(entry.name)
        if ('reason' in outcome) refuse(entry.name, outcome.reason)
        else if (id === undefined) refuse(entry.name, 'no model id can be made of its name; rename it')
        else if (models.has(id)) refuse(entry.name, `another file has the id ${id} already`)
        else models.set(id, modelOf(folder, id, entry, digest, outcome.summary))
      }
    }
    this.#replace({ models: [...models.values()].toSorted((a, b) => (a.id < b.id ? -1 : 1)), refused })
  }

  async #inspectAll(files: ModelFiles, entries: readonly ModelFileEntry[], signal: AbortSignal): Promise<Inspection[]> {
    const known = this.#inspections.get(files)
    const inspections: Inspection[] = []
    for (const entry of entries) {
      const before = known?.get(entry.name)
      inspections.push(before !== undefined && isSettled(before, entry) ? before : await inspect(files, entry, signal))
    }
    this.#inspections.set(files, new Map(inspections.map((inspection) => [inspection.entry.name, inspection])))
    return inspections
  }

  #replace(contents: Contents): void {
    const changed = JSON.stringify(contents) !== JSON.stringify(this.#contents)
    this.#contents = contents
    if (!changed) return
    this.#log.info({ models: contents.models.length, refused: contents.refused.length }, 'model files changed')
    for (const listener of this.#listeners) listener()
  }
}

/** Whether nothing new can be found out about a file. */
function isSettled({ entry, digest, outcome }: Inspection, now: ModelFileEntry): boolean {
  if (entry.sizeBytes !== now.sizeBytes || entry.modifiedAt !== now.modifiedAt) return false
  return 'reason' in outcome ? !outcome.passing : digest !== undefined
}

async function inspect(files: ModelFiles, entry: ModelFileEntry, signal: AbortSignal): Promise<Inspection> {
  try {
    await using file = await files.open(entry.name, { signal })
    const read = (offset: number, length: number): Promise<Uint8Array> => file.read(offset, length, { signal })
    const summary = await readOfferable(read, file.sizeBytes)
    return { entry, digest: await digestOf(files, entry, signal), outcome: { summary } }
  } catch (error) {
    signal.throwIfAborted()
    const known = error instanceof HeddleError
    // What the disk says may pass; what the file says stays until the file changes.
    const reason = known ? error.message : 'it cannot be read'
    return { entry, digest: undefined, outcome: { reason, passing: !known } }
  }
}

async function digestOf(
  files: ModelFiles,
  { name, sizeBytes }: ModelFileEntry,
  signal: AbortSignal,
): Promise<string | undefined> {
  if (sizeBytes <= HASHED_BYTES) return await files.digest(name, { signal })
  return (await files.recordedDigest(name, { signal }))?.sha256
}

function modelOf(
  { files, origin }: ModelFolder,
  id: string,
  { name, sizeBytes, modifiedAt }: ModelFileEntry,
  digest: string | undefined,
  summary: GgufSummary,
): LibraryModel {
  return { id, fileName: name, origin, path: files.pathOf(name), sizeBytes, modifiedAt, digest, summary }
}
