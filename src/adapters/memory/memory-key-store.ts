/** API keys in memory, for tests. */
import { HeddleError } from '../../core/errors.ts'
import type { KeyId, UnixMs } from '../../core/ids.ts'
import type { ApiKey, KeyStore } from '../../ports/key-store.ts'

export class MemoryKeyStore implements KeyStore {
  readonly #keys = new Map<KeyId, ApiKey>()

  async insert(key: ApiKey): Promise<void> {
    if (this.#keys.has(key.id) || (await this.findByHash(key.hash))) {
      throw new HeddleError('conflict', `key ${key.id} exists already`)
    }
    this.#keys.set(key.id, structuredClone(key))
  }

  findByHash(hash: string): Promise<ApiKey | undefined> {
    return Promise.resolve(structuredClone([...this.#keys.values()].find((key) => key.hash === hash)))
  }

  list(): Promise<readonly ApiKey[]> {
    const keys = [...this.#keys.values()].sort((a, b) => a.createdAt - b.createdAt || (a.id < b.id ? -1 : 1))
    return Promise.resolve(structuredClone(keys))
  }

  revoke(id: KeyId, at: UnixMs): Promise<boolean> {
    const key = this.#keys.get(id)
    if (key === undefined || key.revokedAt !== undefined) return Promise.resolve(false)
    this.#keys.set(id, { ...key, revokedAt: at })
    return Promise.resolve(true)
  }
}
