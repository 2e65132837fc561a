/** Networks in memory, for tests. */
import { HeddleError } from '../../core/errors.ts'
import type { SignatureScheme } from '../../core/identity/signed-value.ts'
import type { NetworkId } from '../../core/ids.ts'
import { type JoinFile, joinFileText, type ParsedJoinFile, parseJoinFile } from '../../core/network/join-file.ts'
import type { NetworkStore } from '../../ports/network-store.ts'

export class MemoryNetworkStore implements NetworkStore {
  readonly #hash: Pick<SignatureScheme, 'sha256'>
  readonly #networks = new Map<NetworkId, string>()
  #active: NetworkId | undefined

  constructor(hash: Pick<SignatureScheme, 'sha256'>) {
    this.#hash = hash
  }

  async list(): Promise<readonly ParsedJoinFile[]> {
    return [...this.#networks.keys()]
      .sort()
      .map((id) => this.#read(id))
      .filter((network) => network !== undefined)
  }

  async read(id: NetworkId): Promise<ParsedJoinFile | undefined> {
    return this.#read(id)
  }

  async write(network: JoinFile): Promise<void> {
    const text = joinFileText(this.#hash, network)
    const parsed = parseJoinFile(this.#hash, text)
    if (parsed.kind !== 'ok') throw new HeddleError('state_corrupt', 'not a network')
    this.#networks.set(parsed.value.network.id, text)
  }

  async remove(id: NetworkId): Promise<void> {
    this.#networks.delete(id)
    if (this.#active === id) this.#active = undefined
  }

  async active(): Promise<NetworkId | undefined> {
    return this.#active
  }

  async activate(id: NetworkId | undefined): Promise<void> {
    this.#active = id
  }

  #read(id: NetworkId): ParsedJoinFile | undefined {
    const text = this.#networks.get(id)
    const parsed = text === undefined ? undefined : parseJoinFile(this.#hash, text)
    return parsed?.kind === 'ok' ? parsed.value : undefined
  }
}
