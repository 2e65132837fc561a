/** What libp2p remembers of peers and of the DHT: in memory, and no more than a bound. */
import { MemoryDatastore } from 'datastore-core'

type Key = Parameters<MemoryDatastore['put']>[0]

/** Forgets first what was not used for longest. libp2p itself never forgets what strangers made it store within its times of hours. */
export class BoundedDatastore extends MemoryDatastore {
  readonly #maxItems: number
  /** In the order in which they were last used. */
  readonly #keys = new Map<string, Key>()

  constructor({ maxItems }: { readonly maxItems: number }) {
    super()
    this.#maxItems = maxItems
  }

  override put(key: Key, value: Uint8Array): Key {
    const name = key.toString()
    this.#keys.delete(name)
    this.#keys.set(name, key)
    void super.put(key, value)
    const [oldest] = this.#keys
    if (this.#keys.size > this.#maxItems && oldest !== undefined) this.delete(oldest[1])
    return key
  }

  override get(key: Key): Uint8Array | Promise<Uint8Array> {
    const name = key.toString()
    if (this.#keys.delete(name)) this.#keys.set(name, key)
    return super.get(key)
  }

  override delete(key: Key): void {
    this.#keys.delete(key.toString())
    void super.delete(key)
  }
}
