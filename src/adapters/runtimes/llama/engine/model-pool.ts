/** The models that are offered, loaded when first asked for and unloaded when others need the room. */
import { HeddleError } from '../../../../core/errors.ts'
import type { EngineLibrary } from './library.ts'
import { LoadedModel } from './loaded-model.ts'
import type { EngineModel, LoadedFacts } from './messages.ts'

interface ModelPoolDeps {
  readonly library: EngineLibrary
  /** What is wrong with the file, before native code opens it. */
  readonly check: (path: string) => Promise<string | undefined>
  readonly onLoaded: (models: readonly LoadedFacts[]) => void
  readonly onFailed: (id: string, reason: string) => void
}

interface Entry {
  readonly config: EngineModel
  /** Requests that have it or wait for it. */
  users: number
  /** No longer offered; goes when its last user does. */
  retired: boolean
  loading: Promise<LoadedModel> | undefined
  loaded: LoadedModel | undefined
}

/** A model lent to one request; it stays in memory until then. */
export interface Lease extends Disposable {
  readonly loaded: LoadedModel
}

export class ModelPool {
  readonly #deps: ModelPoolDeps
  readonly #sequences: number
  readonly #most: number
  #entries = new Map<string, Entry>()
  /** In memory, least recently used first; retired ones too. */
  readonly #inMemory = new Set<Entry>()
  #loads: Promise<unknown> = Promise.resolve()
  #onIdle: (() => void) | undefined

  constructor(
    deps: ModelPoolDeps,
    { sequences, loadedModels }: { readonly sequences: number; readonly loadedModels: number },
  ) {
    this.#deps = deps
    this.#sequences = sequences
    this.#most = loadedModels
  }

  setModels(models: readonly EngineModel[]): void {
    const before = this.#entries
    this.#entries = new Map(
      models.map((config) => {
        const known = before.get(config.id)
        const same =
          known !== undefined &&
          known.config.path === config.path &&
          known.config.contextTokens === config.contextTokens
        return [config.id, same ? known : { config, users: 0, retired: false, loading: undefined, loaded: undefined }]
      }),
    )
    for (const entry of before.values()) {
      if (this.#entries.get(entry.config.id) === entry) continue
      entry.retired = true
      this.#unloadIfRetired(entry)
    }
  }

  /** Loads the first model, so that the first request need not wait; a failure was reported and is no reason to end. */
  async preload(): Promise<void> {
    const [first] = this.#entries.values()
    if (first === undefined) return
    const loaded = await this.#load(first).catch(() => undefined)
    await loaded?.generation().catch(() => undefined)
  }

  async lend(id: string, { signal }: { readonly signal: AbortSignal }): Promise<Lease> {
    const entry = this.#entries.get(id)
    if (entry === undefined)
      throw new HeddleError('model_not_found', 'this runtime does not have that model', { param: 'model' })
    entry.users += 1
    let returned = false
    const giveBack = (): void => {
      if (returned) return
      returned = true
      entry.users -= 1
      this.#unloadIfRetired(entry)
      if (entry.users === 0) this.#onIdle?.()
    }
    try {
      const loaded = entry.loaded ?? (await unlessAborted(this.#load(entry), signal))
      this.#touch(entry)
      return { loaded, [Symbol.dispose]: giveBack }
    } catch (error) {
      giveBack()
      throw error
    }
  }

  /** One at a time: two at once could ask for more memory than there is. */
  #load(entry: Entry): Promise<LoadedModel> {
    entry.loading ??= this.#enqueue(entry).catch((error: unknown) => {
      entry.loading = undefined
      throw error
    })
    return entry.loading
  }

  #enqueue(entry: Entry): Promise<LoadedModel> {
    const load = this.#loads.then(async () => {
      await this.#makeRoom()
      return await this.#open(entry)
    })
    this.#loads = load.catch(() => undefined)
    return load
  }

  async #open(entry: Entry): Promise<LoadedModel> {
    const { config } = entry
    const problem = await this.#deps.check(config.path)
    if (problem !== undefined) {
      this.#deps.onFailed(config.id, problem)
      throw new HeddleError('runtime_unavailable', `the model cannot be loaded: ${problem}`)
    }
    try {
      entry.loaded = await LoadedModel.open(
        { library: this.#deps.library, onContext: () => this.#report() },
        config,
        this.#sequences,
      )
    } catch (cause) {
      const reason = 'the engine cannot load this file (unknown architecture, or too little memory)'
      this.#deps.onFailed(config.id, reason)
      throw new HeddleError('runtime_unavailable', reason, { cause })
    }
    this.#inMemory.add(entry)
    this.#report()
    return entry.loaded
  }

  async #makeRoom(): Promise<void> {
    while (this.#inMemory.size >= this.#most) {
      const idle = [...this.#inMemory].find(({ users }) => users === 0)
      if (idle !== undefined) await this.#unload(idle)
      else {
        await new Promise<void>((resolve) => {
          this.#onIdle = resolve
        })
      }
    }
  }

  #unloadIfRetired(entry: Entry): void {
    if (entry.retired && entry.users === 0 && entry.loaded !== undefined) void this.#unload(entry)
  }

  async #unload(entry: Entry): Promise<void> {
    const { loaded } = entry
    entry.loaded = undefined
    entry.loading = undefined
    this.#inMemory.delete(entry)
    this.#report()
    await loaded?.[Symbol.asyncDispose]()
  }

  #touch(entry: Entry): void {
    if (this.#inMemory.delete(entry)) this.#inMemory.add(entry)
  }

  #report(): void {
    this.#deps.onLoaded(
      [...this.#inMemory].flatMap(({ config, loaded }) =>
        loaded === undefined ? [] : [{ id: config.id, contextTokens: loaded.contextTokens }],
      ),
    )
  }
}

function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const leave = (): void => reject(signal.reason as Error)
    signal.addEventListener('abort', leave, { once: true })
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', leave))
  })
}
