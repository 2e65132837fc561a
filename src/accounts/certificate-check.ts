/** What speaks against the node of a record: its device certificate, and what its account has said since. */
import type { AccountBook } from '../core/identity/account-book.ts'
import { hexOf } from '../core/identity/bytes.ts'
import type { DeviceCertificate } from '../core/identity/device-certificate.ts'
import { type IdentityRefusal, refusalText } from '../core/identity/refusal.ts'
import { hasRole } from '../core/identity/roles.ts'
import { validityRefusal } from '../core/identity/validity.ts'
import type { AccountId, NodeId, UnixMs } from '../core/ids.ts'
import { limit } from '../core/limits.ts'
import type { NodeRecord } from '../core/registry/node-record.ts'
import type { PromptTrust } from '../core/routing/prompt-trust.ts'

export interface CertificateCheckDeps {
  readonly book: AccountBook
  /** The account of this node. */
  readonly account: AccountId
}

/** The part of a record that its certificate is about. */
export type CertifiedRecord = Pick<NodeRecord, 'peer' | 'certificate' | 'services'>

/** What was found out about the bytes of a certificate; its times are looked at each time. */
type Finding = { readonly kind: 'certificate'; readonly certificate: DeviceCertificate } | IdentityRefusal

export class CertificateCheck {
  readonly #book: AccountBook
  readonly #account: AccountId
  /** By the bytes; the oldest go first. Holds under one version of the book. */
  readonly #findings = new Map<string, Finding>()
  #version: number

  constructor({ book, account }: CertificateCheckDeps) {
    this.#book = book
    this.#account = account
    this.#version = book.version
  }

  /** A sentence for people; undefined where nothing speaks against the node. */
  objectionTo({ peer, certificate, services }: CertifiedRecord, now: UnixMs): string | undefined {
    if (certificate.length === 0) return 'it shows no device certificate'
    const finding = this.#find(certificate, now)
    if (finding.kind !== 'certificate') return textOf(finding)
    const { certificate: found } = finding
    if (found.device !== peer) return textOf({ kind: 'wrong_device', expected: peer, found: found.device })
    const refusal = validityRefusal(found, now)
    if (refusal !== undefined) return textOf(refusal)
    if (services.length > 0 && !hasRole(found.roles, 'provider')) {
      return textOf({ kind: 'missing_role', role: 'provider' })
    }
    return undefined
  }

  /** The account whose machine the node of an admitted record is; undefined where its certificate does not count. */
  accountOf({ peer, certificate }: CertifiedRecord, now: UnixMs): AccountId | undefined {
    const finding = this.#find(certificate, now)
    if (finding.kind !== 'certificate' || finding.certificate.device !== peer) return undefined
    return validityRefusal(finding.certificate, now) === undefined ? finding.certificate.account : undefined
  }

  /** Who may send a prompt to the node of an admitted record: our own machines are `self`, all others of the network are `network`. */
  trustOf(record: CertifiedRecord, now: UnixMs): PromptTrust {
    return this.accountOf(record, now) === this.#account ? 'self' : 'network'
  }

  /** The devices of `records` that belong to this node's account. */
  ownDevices(records: Iterable<CertifiedRecord>, now: UnixMs): readonly NodeId[] {
    return [...records].filter((record) => this.trustOf(record, now) === 'self').map(({ peer }) => peer)
  }

  /** The accounts of the nodes of `records`, and this node's own. */
  accountsOf(records: Iterable<CertifiedRecord>, now: UnixMs): ReadonlySet<AccountId> {
    const accounts = new Set([this.#account])
    for (const record of records) {
      const account = this.accountOf(record, now)
      if (account !== undefined) accounts.add(account)
    }
    return accounts
  }

  #find(bytes: Uint8Array, now: UnixMs): Finding {
    if (this.#version !== this.#book.version) {
      this.#findings.clear()
      this.#version = this.#book.version
    }
    const name = hexOf(bytes)
    const known = this.#findings.get(name)
    if (known !== undefined) return known
    const checked = this.#book.checkCertificate(bytes, { now })
    const finding: Finding = checked.kind === 'ok' ? { kind: 'certificate', certificate: checked.value } : checked
    // A refusal for its time is true only for a while.
    if (finding.kind === 'expired' || finding.kind === 'not_yet_valid') return finding
    this.#findings.set(name, finding)
    if (this.#findings.size > limit('verifiedCertificates')) {
      const oldest = this.#findings.keys().next()
      if (!oldest.done) this.#findings.delete(oldest.value)
    }
    return finding
  }
}

function textOf(refusal: IdentityRefusal): string {
  return `its device certificate does not count: ${refusalText(refusal)}`
}
