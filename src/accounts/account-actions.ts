/** What `heddle identity export` and `import` do, and how an account gets a new key. */
import { HeddleError } from '../core/errors.ts'
import { accountBytesOf, accountOfBytes, ID_BYTES } from '../core/identity/account-id.ts'
import { issueAccountRotation } from '../core/identity/account-rotation.ts'
import { armourOf, parseArmour } from '../core/identity/armour.ts'
import { hexOf } from '../core/identity/bytes.ts'
import { type CanonicalValue, decodeCanonical, encodeCanonical } from '../core/identity/canonical.ts'
import { FieldReader, fieldsOf } from '../core/identity/field-reader.ts'
import { peerIdOf } from '../core/identity/peer-id.ts'
import { type Checked, refusalText } from '../core/identity/refusal.ts'
import type { SignatureScheme } from '../core/identity/signed-value.ts'
import type { AccountId } from '../core/ids.ts'
import { limit } from '../core/limits.ts'
import type { KeySealer } from '../ports/identity-store.ts'
import { loadStatements, openAccount, record, type SignedAction } from './identity-actions.ts'
import {
  ensureCertificate,
  finishRotations,
  type OwnCertificate,
  type OwnIdentityOptions,
} from './open-own-identity.ts'
import type { IdentityDeps } from './own-certificate.ts'

const VERSION = 1
/** version, account (32 bytes), sealed key (bytes), statements (list of bytes). */
const KEY = { account: 1, sealedKey: 2, statements: 3 } as const
/** Each statement takes over 200 bytes. */
const MAX_STATEMENTS = 1024

interface AccountExport {
  readonly account: AccountId
  readonly sealedKey: Uint8Array
  readonly statements: readonly Uint8Array[]
}

export interface ImportedAccount extends OwnCertificate {
  readonly account: AccountId
  /** Whether the machine had this account's key already. */
  readonly isUnchanged: boolean
}

/** The account's key under `exportPassphrase`, with everything the account has said: one line of text that another machine imports. */
export async function exportAccount(
  deps: IdentityDeps & { readonly sealer: KeySealer },
  { passphrase, exportPassphrase }: { readonly passphrase: string | undefined; readonly exportPassphrase: string },
): Promise<string> {
  await loadStatements(deps)
  const { account } = await openAccount(deps, passphrase)
  const seed = await deps.store.open('account', { passphrase })
  if (seed === undefined) throw new HeddleError('not_found', 'the account’s key is not on this machine')
  const fields = fieldsOf({
    0: VERSION,
    [KEY.account]: accountBytesOf(account),
    [KEY.sealedKey]: await deps.sealer.seal(seed, exportPassphrase),
    [KEY.statements]: deps.book.statementsOf(account),
  })
  return armourOf(deps.verifier, 'heddle-account-1', encodeCanonical(fields))
}

/**
 * Makes this machine a device of the account in `text`. Another account's key that is here is put aside, if `mayReplace`.
 * The node must be started again.
 */
export async function importAccount(
  deps: IdentityDeps & { readonly sealer: KeySealer },
  text: string,
  options: OwnIdentityOptions & { readonly exportPassphrase: string; readonly mayReplace: boolean },
): Promise<ImportedAccount> {
  const { store, keys, book, verifier, sealer } = deps
  const parsed = parseAccountExport(verifier, text)
  if (parsed.kind !== 'ok')
    throw new HeddleError('invalid_request', `not an export of an account: ${refusalText(parsed)}`)
  const { account, sealedKey, statements } = parsed.value
  const seed = await sealer.unseal(sealedKey, options.exportPassphrase)
  const { publicKey } = keys.signerOf(seed)
  await loadStatements(deps)
  await finishRotations(deps)
  const present = await store.describe('account')
  const presentAccount = present && deps.book.accountOf(present.publicKey)
  if (presentAccount !== undefined && presentAccount !== account && !options.mayReplace) {
    throw new HeddleError('conflict', `this machine belongs to account ${presentAccount} already`, {
      fix: 'heddle identity import <file> --replace   (the present key is put aside, not deleted)',
    })
  }
  const added = book.addAll(statements)
  const standing = book.standingOf(account, publicKey)
  if (standing !== 'current') {
    throw new HeddleError('conflict', `the export is of no use: the account’s key is ${standing}`, {
      fix: 'heddle identity export <file>   (again, on a machine of the account that is up to date)',
    })
  }
  await store.statements.append(added)
  const isUnchanged = present !== undefined && hexOf(present.publicKey) === hexOf(publicKey)
  if (!isUnchanged) {
    if (presentAccount !== undefined) await store.setAside(presentAccount)
    await store.write('account', seed, options)
  }
  const deviceSeed = (await store.open('device', options)) ?? keys.newSeed()
  if ((await store.describe('device')) === undefined) await store.write('device', deviceSeed, options)
  const device = peerIdOf(keys.signerOf(deviceSeed).publicKey)
  return { account, isUnchanged, ...(await ensureCertificate(deps, { account, device }, options)) }
}

/**
 * Gives the account a new key, signed for by the old one and the new one; the account keeps its id. Certificates that the old key signed
 * count no more: this machine gets a new one at once, the account's other machines need an import.
 */
export async function rotateAccount(deps: IdentityDeps, options: OwnIdentityOptions): Promise<SignedAction> {
  const { store, keys, book, clock } = deps
  await loadStatements(deps)
  await finishRotations(deps)
  const { account, key } = await openAccount(deps, options.passphrase)
  const number = book.rotationsOf(account) + 1
  if (number > limit('accountRotations')) throw new HeddleError('conflict', 'the account has had too many keys')
  const own = await store.describe('device')
  if (own === undefined) throw new HeddleError('not_found', 'this machine has no device key yet')
  const seed = keys.newSeed()
  const rotation = { account, number, rotatedAt: clock.now(), extensions: new Map() }
  await store.write('next-account', seed, options)
  const statement = issueAccountRotation({ oldKey: key, newKey: keys.signerOf(seed) }, rotation)
  await record(deps, statement)
  await store.move('next-account', 'account')
  const device = peerIdOf(own.publicKey)
  await ensureCertificate(deps, { account, device }, options)
  return { account, device, statements: [statement] }
}

function parseAccountExport(scheme: Pick<SignatureScheme, 'sha256'>, text: string): Checked<AccountExport> {
  const maxBytes = limit('accountExportBytes')
  const bytes = parseArmour(scheme, 'heddle-account-1', text, { maxBytes })
  if (bytes.kind !== 'ok') return bytes
  const decoded = decodeCanonical(bytes.value, { maxBytes })
  if (decoded.kind !== 'ok') return decoded
  const reader = new FieldReader(decoded.value)
  reader.version(VERSION)
  const account = accountOfBytes(reader.bytes(KEY.account, ID_BYTES))
  const sealedKey = reader.blob(KEY.sealedKey, limit('statementBytes'))
  const listed = reader.list(KEY.statements, MAX_STATEMENTS)
  const statements = listed.filter((each: CanonicalValue) => each instanceof Uint8Array)
  if (statements.length !== listed.length) reader.refuse('a statement is not bytes')
  return reader.finish(() => ({ account, sealedKey, statements }))
}
