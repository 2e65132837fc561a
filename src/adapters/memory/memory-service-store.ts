/** Added services, in memory, for tests. */
import type { ServiceStore, StoredService } from '../../ports/service-store.ts'

export class MemoryServiceStore implements ServiceStore {
  readonly #services = new Map<string, StoredService>()

  put(service: StoredService): Promise<void> {
    this.#services.set(keyOf(service.name, service.instance), { ...service })
    return Promise.resolve()
  }

  remove(name: string, instance: string): Promise<boolean> {
    return Promise.resolve(this.#services.delete(keyOf(name, instance)))
  }

  list(): Promise<readonly StoredService[]> {
    const services = [...this.#services.values()]
    return Promise.resolve(
      services.sort((a, b) => a.addedAt - b.addedAt || compare(a.name, b.name) || compare(a.instance, b.instance)),
    )
  }
}

function keyOf(name: string, instance: string): string {
  return `${name}/${instance}`
}

function compare(a: string, b: string): number {
  return a === b ? 0 : a < b ? -1 : 1
}
