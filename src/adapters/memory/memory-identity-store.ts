/** A machine's identity in memory, for tests and simulations; sealing is a comparison of passphrases. */
import { HeddleError } from '../../core/errors.ts'
import type { AccountId, NodeId } from '../../core/ids.ts'
import type { IdentityStore, KeyDescription, KeyName } from '../../ports/identity-store.ts'
import type { KeySource } from '../../ports/signer.ts'
import type { StatementStore } from '../../ports/statement-store.ts'

interface HeldKey {
  readonly seed: Uint8Array
  readonly passphrase: string | undefined
}

export class MemoryStatementStore implements StatementStore {
  #statements: readonly Uint8Array[] = []

  async read(): Promise<readonly Uint8Array[]> {
    return this.#statements
  }

  async append(statements: readonly Uint8Array[]): Promise<void> {
    this.#statements = [...this.#statements, ...statements]
  }

  async replace(statements: readonly Uint8Array[]): Promise<void> {
    this.#statements = [...statements]
  }
}

export class MemoryIdentityStore implements IdentityStore {
  readonly statements: StatementStore = new MemoryStatementStore()
  readonly #source: KeySource
  readonly #keys = new Map<KeyName, HeldKey>()
  readonly #aside = new Map<string, HeldKey>()
  readonly #certificates = new Map<NodeId, Uint8Array>()

  constructor(source: KeySource) {
    this.#source = source
  }

  async describe(name: KeyName): Promise<KeyDescription | undefined> {
    const held = this.#keys.get(name)
    if (held === undefined) return undefined
    return { publicKey: this.#source.signerOf(held.seed).publicKey, isSealed: held.passphrase !== undefined }
  }

  async open(
    name: KeyName,
    { passphrase }: { readonly passphrase: string | undefined },
  ): Promise<Uint8Array | undefined> {
    const held = this.#keys.get(name)
    if (held?.passphrase === undefined) return held?.seed
    if (passphrase === undefined) throw new HeddleError('key_locked', `the ${name} key is sealed`)
    if (passphrase !== held.passphrase) throw new HeddleError('wrong_passphrase', 'the passphrase is wrong')
    return held.seed
  }

  async write(
    name: KeyName,
    seed: Uint8Array,
    { passphrase }: { readonly passphrase: string | undefined },
  ): Promise<void> {
    this.#keys.set(name, { seed: seed.slice(), passphrase })
  }

  async move(from: KeyName, to: KeyName): Promise<void> {
    const held = this.#keys.get(from)
    if (held === undefined) throw new Error(`there is no ${from} key`)
    this.#keys.set(to, held)
    this.#keys.delete(from)
  }

  async remove(name: KeyName): Promise<void> {
    this.#keys.delete(name)
  }

  async setAside(account: AccountId): Promise<void> {
    const held = this.#keys.get('account')
    if (held === undefined) return
    this.#aside.set(`${account} ${this.#aside.size}`, held)
    this.#keys.delete('account')
  }

  async readCertificate(device: NodeId): Promise<Uint8Array | undefined> {
    return this.#certificates.get(device)
  }

  async writeCertificate(device: NodeId, certificate: Uint8Array): Promise<void> {
    this.#certificates.set(device, certificate)
  }
}
