/** The identity of a machine in a folder: `account.key`, `device.key`, certificates and the account's statements, all for their owner only. */
import { createPrivateKey } from 'node:crypto'
import { rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { HeddleError } from '../../core/errors.ts'
import { armourOf, parseArmour } from '../../core/identity/armour.ts'
import { peerIdOf } from '../../core/identity/peer-id.ts'
import type { AccountId, NodeId } from '../../core/ids.ts'
import { limit } from '../../core/limits.ts'
import type { IdentityStore, KeyDescription, KeyName, KeySealer } from '../../ports/identity-store.ts'
import type { StatementStore } from '../../ports/statement-store.ts'
import { Ed25519Verifier, ed25519Keys, privateKeyOf, seedOf } from './ed25519-signer.ts'
import { readSealedKey } from './sealed-key.ts'
import { readSecretFile, writeSecretFile } from './secret-file.ts'
import { StatementFile } from './statement-file.ts'

/** What a key file holds: the seed itself, or the seed under a passphrase. */
type KeyFile =
  | { readonly kind: 'plain'; readonly seed: Uint8Array }
  | { readonly kind: 'sealed'; readonly bytes: Uint8Array; readonly description: KeyDescription }

export class IdentityFiles implements IdentityStore {
  readonly statements: StatementStore
  readonly #folder: string
  readonly #sealer: KeySealer
  readonly #hash = new Ed25519Verifier()

  constructor(folder: string, { sealer }: { readonly sealer: KeySealer }) {
    this.#folder = folder
    this.#sealer = sealer
    this.statements = new StatementFile(join(folder, 'account.statements'))
  }

  async describe(name: KeyName): Promise<KeyDescription | undefined> {
    const file = await this.#read(name)
    if (file === undefined) return undefined
    if (file.kind === 'sealed') return file.description
    return { publicKey: ed25519Keys.signerOf(file.seed).publicKey, isSealed: false }
  }

  async open(
    name: KeyName,
    { passphrase }: { readonly passphrase: string | undefined },
  ): Promise<Uint8Array | undefined> {
    const file = await this.#read(name)
    if (file === undefined || file.kind === 'plain') return file?.seed
    if (passphrase !== undefined) return this.#sealer.unseal(file.bytes, passphrase)
    throw new HeddleError('key_locked', `${this.#pathOf(name)} is sealed and no passphrase was given`, {
      fix: 'heddle config set identity.passphrase_file <file>\nor set HEDDLE_PASSPHRASE',
    })
  }

  async write(
    name: KeyName,
    seed: Uint8Array,
    { passphrase }: { readonly passphrase: string | undefined },
  ): Promise<void> {
    const text =
      passphrase === undefined
        ? privateKeyOf(seed).export({ format: 'pem', type: 'pkcs8' }).toString().trim()
        : armourOf(this.#hash, 'heddle-sealed-key-1', await this.#sealer.seal(seed, passphrase))
    await writeSecretFile(this.#pathOf(name), text)
  }

  async move(from: KeyName, to: KeyName): Promise<void> {
    await rename(this.#pathOf(from), this.#pathOf(to))
  }

  async remove(name: KeyName): Promise<void> {
    await rm(this.#pathOf(name), { force: true })
  }

  async setAside(account: AccountId): Promise<void> {
    const description = await this.describe('account')
    if (description === undefined) return
    // Named by both, because a rotated account has several keys.
    const name = `account-${account.slice(0, 16)}-${peerIdOf(description.publicKey).slice(-8)}.key`
    await rename(this.#pathOf('account'), join(this.#folder, name))
  }

  async readCertificate(device: NodeId): Promise<Uint8Array | undefined> {
    const text = await readSecretFile(this.#certificatePathOf(device))
    if (text === undefined) return undefined
    const read = parseArmour(this.#hash, 'heddle-certificate-1', text, { maxBytes: limit('statementBytes') })
    // A certificate that cannot be read is as good as none: the account makes another.
    return read.kind === 'ok' ? read.value : undefined
  }

  async writeCertificate(device: NodeId, certificate: Uint8Array): Promise<void> {
    const text = armourOf(this.#hash, 'heddle-certificate-1', certificate)
    await writeSecretFile(this.#certificatePathOf(device), text)
  }

  async #read(name: KeyName): Promise<KeyFile | undefined> {
    const path = this.#pathOf(name)
    const text = await readSecretFile(path)
    if (text === undefined) return undefined
    const file = text.startsWith('heddle-') ? this.#sealedKeyIn(text) : plainKeyIn(text)
    if (file !== undefined) return file
    throw new HeddleError('state_corrupt', `${path} does not hold an Ed25519 key`, {
      fix: `restore '${path}' from a backup, or move it away: the node then gets a new identity at its next start`,
    })
  }

  #sealedKeyIn(text: string): KeyFile | undefined {
    const bytes = parseArmour(this.#hash, 'heddle-sealed-key-1', text, { maxBytes: limit('statementBytes') })
    if (bytes.kind !== 'ok') return undefined
    const sealed = readSealedKey(bytes.value)
    if (sealed.kind !== 'ok') return undefined
    const description = { publicKey: sealed.value.publicKey, isSealed: true }
    return { kind: 'sealed', bytes: bytes.value, description }
  }

  #pathOf(name: KeyName): string {
    return join(this.#folder, `${name}.key`)
  }

  #certificatePathOf(device: NodeId): string {
    return join(this.#folder, 'certificates', `${device}.cert`)
  }
}

function plainKeyIn(pem: string): KeyFile | undefined {
  try {
    const key = createPrivateKey(pem)
    return key.asymmetricKeyType === 'ed25519' ? { kind: 'plain', seed: seedOf(key) } : undefined
  } catch {
    // told by the caller, without the cause: it may quote the key
    return undefined
  }
}
