/** Networks in a folder: one file each, named by the id, and one that names the active network; all for their owner only. */
import { readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { HeddleError } from '../../core/errors.ts'
import { refusalText } from '../../core/identity/refusal.ts'
import type { NetworkId } from '../../core/ids.ts'
import { networkIdOf, parseNetworkId } from '../../core/network/genesis.ts'
import { type JoinFile, joinFileText, type ParsedJoinFile, parseJoinFile } from '../../core/network/join-file.ts'
import type { NetworkStore } from '../../ports/network-store.ts'
import { Ed25519Verifier } from './ed25519-signer.ts'
import { readSecretFile, writeSecretFile } from './secret-file.ts'

const SUFFIX = '.network'
const ACTIVE = 'active'

export class NetworkFiles implements NetworkStore {
  readonly #folder: string
  readonly #hash = new Ed25519Verifier()

  constructor(folder: string) {
    this.#folder = folder
  }

  async list(): Promise<readonly ParsedJoinFile[]> {
    const ids = (await this.#names())
      .map((name) => (name.endsWith(SUFFIX) ? parseNetworkId(name.slice(0, -SUFFIX.length)) : undefined))
      .filter((id) => id !== undefined)
    const networks = await Promise.all(ids.sort().map((id) => this.read(id)))
    return networks.filter((network) => network !== undefined)
  }

  async read(id: NetworkId): Promise<ParsedJoinFile | undefined> {
    const path = this.#pathOf(id)
    const text = await readSecretFile(path)
    if (text === undefined) return undefined
    const parsed = parseJoinFile(this.#hash, text)
    if (parsed.kind === 'ok' && parsed.value.network.id === id) return parsed.value
    const reason = parsed.kind === 'ok' ? 'it is of another network' : refusalText(parsed)
    throw new HeddleError('state_corrupt', `${path} does not hold a network: ${reason}`, {
      fix: `restore '${path}' from a backup, or remove it and join the network again`,
    })
  }

  async write(network: JoinFile): Promise<void> {
    await writeSecretFile(this.#pathOf(networkIdOf(this.#hash, network.genesis)), joinFileText(this.#hash, network))
  }

  async remove(id: NetworkId): Promise<void> {
    if ((await this.active()) === id) await this.activate(undefined)
    await rm(this.#pathOf(id), { force: true })
  }

  async active(): Promise<NetworkId | undefined> {
    const path = join(this.#folder, ACTIVE)
    const text = await readSecretFile(path)
    if (text === undefined) return undefined
    const id = parseNetworkId(text)
    if (id !== undefined) return id
    throw new HeddleError('state_corrupt', `${path} does not name a network`, { fix: 'heddle network use <name>' })
  }

  async activate(id: NetworkId | undefined): Promise<void> {
    const path = join(this.#folder, ACTIVE)
    if (id === undefined) await rm(path, { force: true })
    else await writeSecretFile(path, id)
  }

  async #names(): Promise<readonly string[]> {
    try {
      return await readdir(this.#folder)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
      throw error
    }
  }

  #pathOf(id: NetworkId): string {
    return join(this.#folder, `${id}${SUFFIX}`)
  }
}
