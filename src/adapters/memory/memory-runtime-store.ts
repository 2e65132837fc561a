/** Added runtimes and models seen, in memory, for tests. */
import type { RuntimeId } from '../../core/ids.ts'
import type { RuntimeStore, SeenModel, StoredRuntime } from '../../ports/runtime-store.ts'

export class MemoryRuntimeStore implements RuntimeStore {
  readonly #runtimes = new Map<RuntimeId, StoredRuntime>()
  readonly #seen = new Map<string, SeenModel>()

  put(runtime: StoredRuntime): Promise<void> {
    this.#runtimes.set(runtime.id, { ...runtime })
    return Promise.resolve()
  }

  remove(id: RuntimeId): Promise<boolean> {
    return Promise.resolve(this.#runtimes.delete(id))
  }

  list(): Promise<readonly StoredRuntime[]> {
    const runtimes = [...this.#runtimes.values()]
    return Promise.resolve(runtimes.sort((a, b) => a.addedAt - b.addedAt || compare(a.id, b.id)))
  }

  sawModels(models: readonly SeenModel[]): Promise<void> {
    for (const model of models) this.#seen.set(JSON.stringify([model.id, model.runtime]), { ...model })
    return Promise.resolve()
  }

  seenModels(): Promise<readonly SeenModel[]> {
    const models = [...this.#seen.values()]
    return Promise.resolve(models.sort((a, b) => compare(a.id, b.id) || compare(a.runtime, b.runtime)))
  }
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
