/** The accounts that this node has heard of: which key each has, which of its devices ended, and so which certificates count. */
import type { AccountId, NodeId, UnixMs } from '../ids.ts'
import { limit } from '../limits.ts'
import {
  type AccountHistory,
  accountOfStatement,
  type EndStatement,
  emptyHistory,
  endedThrough,
  readStatement,
  STATEMENT_KINDS,
  standingOfKey,
  statementsIn,
  withStatement,
} from './account-history.ts'
import { accountIdOf } from './account-id.ts'
import { concatBytes, hexOf, parseHex } from './bytes.ts'
import { type DeviceCertificate, verifyDeviceCertificate } from './device-certificate.ts'
import type { PublicKey } from './ed25519-rules.ts'
import type { Checked, IdentityRefusal } from './refusal.ts'
import { ok } from './refusal.ts'
import { hasRole, type Role } from './roles.ts'
import { decodeSigned, encodeSigned, type SignatureScheme } from './signed-value.ts'
import { validityRefusal } from './validity.ts'

export type AddedStatement =
  | { readonly kind: 'added'; readonly account: AccountId }
  | { readonly kind: 'known'; readonly account: AccountId }
  | IdentityRefusal

export interface CertificateExpectations {
  readonly now: UnixMs
  readonly device?: NodeId | undefined
  readonly account?: AccountId | undefined
  readonly role?: Role | undefined
}

/**
 * Holds statements (revocations and rotations) of at most `knownAccounts` accounts. Books that were given the same statements, those refused as
 * `unknown_account_key` once more at the end, hold the same, whatever the order; `digestOf` is then equal.
 */
export class AccountBook {
  readonly #scheme: SignatureScheme
  readonly #knownAccounts: number
  readonly #histories = new Map<AccountId, AccountHistory>()
  /** Certificates whose signature is good, by the SHA-256 of their bytes; the oldest go first. */
  readonly #verified = new Map<string, DeviceCertificate>()
  readonly #digests = new WeakMap<AccountHistory, Uint8Array>()
  #version = 0

  constructor(scheme: SignatureScheme, { knownAccounts = limit('knownAccounts') } = {}) {
    this.#scheme = scheme
    this.#knownAccounts = knownAccounts
  }

  /** Grows with every statement added and every account forgotten; what was judged under another version may be judged otherwise now. */
  get version(): number {
    return this.#version
  }

  /** How many accounts have said something. */
  get size(): number {
    return this.#histories.size
  }

  /** Takes an untrusted statement. `added` is worth passing on, `known` is not. */
  add(bytes: Uint8Array): AddedStatement {
    const signed = decodeSigned(bytes, STATEMENT_KINDS, { maxBytes: limit('statementBytes') })
    if (signed.kind !== 'ok') return signed
    const statement = readStatement(this.#scheme, signed.value)
    if (statement.kind !== 'ok') return statement
    const account = accountOfStatement(statement.value)
    const history = this.#histories.get(account)
    if (history === undefined && this.#histories.size >= this.#knownAccounts) {
      return { kind: 'full', what: 'accounts' }
    }
    const before = history ?? emptyHistory(account)
    const after = withStatement(this.#scheme, before, statement.value)
    if (after.kind !== 'ok') return after
    if (after.value === before) return { kind: 'known', account }
    this.#histories.set(account, after.value)
    this.#version += 1
    return { kind: 'added', account }
  }

  /** The account that untrusted bytes claim to be a statement of; nothing is checked. */
  accountIn(bytes: Uint8Array): AccountId | undefined {
    const signed = decodeSigned(bytes, STATEMENT_KINDS, { maxBytes: limit('statementBytes') })
    const statement = signed.kind === 'ok' ? readStatement(this.#scheme, signed.value) : signed
    return statement.kind === 'ok' ? accountOfStatement(statement.value) : undefined
  }

  /** Drops what `account` has said, to make room: its revoked devices count again until it is told anew. */
  forget(account: AccountId): void {
    if (this.#histories.delete(account)) this.#version += 1
  }

  /** Takes statements in any order, those again that needed a later one; returns those that were new. */
  addAll(statements: Iterable<Uint8Array>): readonly Uint8Array[] {
    let waiting = [...statements]
    const added: Uint8Array[] = []
    for (;;) {
      const tooEarly: Uint8Array[] = []
      const before = added.length
      for (const bytes of waiting) {
        const { kind } = this.add(bytes)
        if (kind === 'added') added.push(bytes)
        if (kind === 'unknown_account_key') tooEarly.push(bytes)
      }
      if (tooEarly.length === 0 || added.length === before) return added
      waiting = tooEarly
    }
  }

  /** Checks an untrusted device certificate in every respect: form, signature, times, account key, revocation, and what is expected of it. */
  checkCertificate(bytes: Uint8Array, expected: CertificateExpectations): Checked<DeviceCertificate> {
    const verified = this.#verify(bytes)
    if (verified.kind !== 'ok') return verified
    const certificate = verified.value
    const { account, device } = certificate
    if (expected.device !== undefined && expected.device !== device) {
      return { kind: 'wrong_device', expected: expected.device, found: device }
    }
    if (expected.account !== undefined && expected.account !== account) {
      return { kind: 'wrong_account', expected: expected.account, found: account }
    }
    const refusal = this.#standingRefusal(certificate) ?? validityRefusal(certificate, expected.now)
    if (refusal !== undefined) return refusal
    if (expected.role !== undefined && !hasRole(certificate.roles, expected.role)) {
      return { kind: 'missing_role', role: expected.role }
    }
    return verified
  }

  /** Why certificates of `device` up to `serial` count no more; undefined where they do. */
  endOf(account: AccountId, device: NodeId, serial = 0): EndStatement['body'] | undefined {
    const end = this.#histories.get(account)?.ends.get(device)
    return end !== undefined && serial <= endedThrough(end) ? end.body : undefined
  }

  /** Devices of `account` that were revoked or rotated away. */
  endsOf(account: AccountId): readonly EndStatement['body'][] {
    return [...(this.#histories.get(account)?.ends.values() ?? [])].map(({ body }) => body)
  }

  /** How often the account's key was replaced. */
  rotationsOf(account: AccountId): number {
    return this.#histories.get(account)?.rotations.length ?? 0
  }

  /** What `key` is to `account`. */
  standingOf(account: AccountId, key: PublicKey): 'current' | 'superseded' | 'unknown' | 'forked' {
    return standingOfKey(this.#scheme, this.#histories.get(account) ?? emptyHistory(account), key)
  }

  /** The account whose key is or was `key`: the one whose rotations lead to it, else the one that begins with it. */
  accountOf(key: PublicKey): AccountId {
    const name = hexOf(key)
    for (const { account, rotations, fork } of this.#histories.values()) {
      if ([...rotations, ...fork].some(({ body }) => hexOf(body.newKey) === name)) return account
    }
    return accountIdOf(this.#scheme, key)
  }

  accounts(): Iterable<AccountId> {
    return this.#histories.keys()
  }

  /** The account's statements as bytes that another book's `add` takes in this order. */
  statementsOf(account: AccountId): readonly Uint8Array[] {
    const history = this.#histories.get(account)
    return history === undefined ? [] : statementsIn(history).map(encodeSigned)
  }

  /** SHA-256 over the sorted ids of the account's statements: equal exactly where two books hold the same of it. Undefined where nothing is held. */
  digestOf(account: AccountId): Uint8Array | undefined {
    const history = this.#histories.get(account)
    if (history === undefined) return undefined
    const known = this.#digests.get(history)
    if (known !== undefined) return known
    const { rotations, fork, ends } = history
    const ids = [...rotations, ...fork, ...ends.values()].map(({ id }) => id).sort()
    const digest = this.#scheme.sha256(concatBytes(...ids.map((id) => parseHex(id) ?? new Uint8Array())))
    this.#digests.set(history, digest)
    return digest
  }

  #standingRefusal({ account, accountKey, device, serial }: DeviceCertificate): IdentityRefusal | undefined {
    const standing = this.standingOf(account, accountKey)
    if (standing === 'unknown') return { kind: 'unknown_account_key' }
    if (standing !== 'current') return { kind: standing }
    const end = this.endOf(account, device, serial)
    if (end === undefined) return undefined
    return { kind: 'revoked', revokedAt: end.kind === 'revocation' ? end.revokedAt : end.rotatedAt }
  }

  #verify(bytes: Uint8Array): Checked<DeviceCertificate> {
    // Bounded before it is hashed.
    if (bytes.length > limit('statementBytes')) return verifyDeviceCertificate(this.#scheme, bytes)
    const name = hexOf(this.#scheme.sha256(bytes))
    const known = this.#verified.get(name)
    if (known !== undefined) return ok(known)
    const verified = verifyDeviceCertificate(this.#scheme, bytes)
    if (verified.kind !== 'ok') return verified
    this.#verified.set(name, verified.value)
    if (this.#verified.size > limit('verifiedCertificates')) {
      const oldest = this.#verified.keys().next()
      if (!oldest.done) this.#verified.delete(oldest.value)
    }
    return verified
  }
}
