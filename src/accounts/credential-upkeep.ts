/** Keeps a running node's credentials from ending: its device certificate, and its membership of a private network. */
import { HeddleError } from '../core/errors.ts'
import { hexOf } from '../core/identity/bytes.ts'
import type { AccountId, UnixMs } from '../core/ids.ts'
import { limit } from '../core/limits.ts'
import type { Clock, Timer } from '../ports/clock.ts'
import type { Logger } from '../ports/logger.ts'
import type { StatementStore } from '../ports/statement-store.ts'
import type { ActiveNetwork } from './active-network.ts'
import { admitCommand } from './network-actions.ts'
import type { OwnIdentity } from './open-own-identity.ts'

const MS_PER_DAY = 24 * 3_600_000

export interface CredentialUpkeepDeps {
  readonly clock: Clock
  readonly log: Logger
  readonly identity: Pick<OwnIdentity, 'account' | 'device' | 'certificate' | 'renewIfDue'>
  /** What the own account has said, as the next start of this machine reads it. */
  readonly statements: StatementStore
  readonly active: ActiveNetwork
  /** A credential was made anew: the node's record has to show it. */
  readonly onRenewed: () => void
  /** Called every minute, so that credentials of others that ended meanwhile are noticed: `Membership.recheck`. */
  readonly recheck: () => void
}

export interface CredentialProblem {
  readonly credential: 'certificate' | 'membership'
  /** In words, for people. */
  readonly reason: string
  readonly fix: string | undefined
  /** When the credential ends or ended. */
  readonly endsAt: UnixMs | undefined
}

export class CredentialUpkeep implements Disposable {
  readonly #deps: CredentialUpkeepDeps
  readonly #problems = new Map<CredentialProblem['credential'], CredentialProblem>()
  #timer: Timer | undefined
  #nextRenewalAt = 0
  #isStopped = false

  constructor(deps: CredentialUpkeepDeps) {
    this.#deps = deps
  }

  start(): void {
    this.#nextRenewalAt = this.#deps.clock.monotonic() + limit('credentialCheckMs')
    this.#schedule()
  }

  /** What could not be renewed, and what only somebody else can renew. */
  problems(): readonly CredentialProblem[] {
    const ending = this.#problems.has('membership') ? undefined : this.#endingMembership()
    return [...this.#problems.values(), ...(ending === undefined ? [] : [ending])]
  }

  /** The network told what accounts have said: of the own one it is kept, and the certificate may have to be another now. */
  async heard(statements: readonly { readonly account: AccountId; readonly bytes: Uint8Array }[]): Promise<void> {
    const { identity, statements: store, log } = this.#deps
    const own = statements.filter(({ account }) => account === identity.account)
    if (own.length === 0) return
    try {
      const known = new Set((await store.read()).map(hexOf))
      await store.append(own.map(({ bytes }) => bytes).filter((bytes) => !known.has(hexOf(bytes))))
    } catch (error) {
      const code = error instanceof HeddleError ? error.code : 'internal'
      log.error({ code }, 'cannot keep what the account of this node has said')
    }
    await this.renew()
  }

  /** Renews what is due now. */
  async renew(): Promise<void> {
    const { identity, active, onRenewed } = this.#deps
    const certificate = await this.#try('certificate', () => identity.renewIfDue())
    const membership = await this.#try('membership', () => active.renewIfDue())
    if (certificate || membership) onRenewed()
  }

  [Symbol.dispose](): void {
    this.#isStopped = true
    this.#timer?.cancel()
  }

  /** A machine without the network's key has to be admitted anew; there is half a month to do it. */
  #endingMembership(): CredentialProblem | undefined {
    const { active, clock, identity } = this.#deps
    const endsAt = active.memberUntil()
    const leftMs = (endsAt ?? Number.POSITIVE_INFINITY) - clock.now()
    if (leftMs > limit('certificateRenewMs') / 2) return undefined
    const { id, genesis } = active.network
    const days = Math.max(0, Math.floor(leftMs / MS_PER_DAY))
    return {
      credential: 'membership',
      reason: `this machine is a member of the network "${genesis.name}" for ${days} more days, and does not hold the key to renew that`,
      fix: admitCommand(id, identity.device),
      endsAt,
    }
  }

  #schedule(): void {
    if (this.#isStopped) return
    this.#timer = this.#deps.clock.after(limit('recheckMs'), () => void this.#look().then(() => this.#schedule()))
  }

  async #look(): Promise<void> {
    const { clock, recheck } = this.#deps
    recheck()
    if (clock.monotonic() < this.#nextRenewalAt) return
    this.#nextRenewalAt = clock.monotonic() + limit('credentialCheckMs')
    await this.renew()
  }

  async #try(credential: CredentialProblem['credential'], renew: () => Promise<boolean>): Promise<boolean> {
    const { identity, active, log } = this.#deps
    try {
      const isRenewed = await renew()
      this.#problems.delete(credential)
      if (isRenewed) log.info({ credential }, 'a credential of this node was renewed')
      return isRenewed
    } catch (error) {
      // The node lives on what it has; people are told, and the next look tries again.
      const failure =
        error instanceof HeddleError ? error : new HeddleError('internal', 'it could not be renewed', { cause: error })
      const endsAt = credential === 'certificate' ? identity.certificate().certificate.expiresAt : active.memberUntil()
      if (this.#problems.get(credential)?.reason !== failure.message) {
        log.error(
          { credential, code: failure.code, reason: failure.message },
          'a credential of this node cannot be renewed',
        )
      }
      this.#problems.set(credential, { credential, reason: failure.message, fix: failure.details.fix, endsAt })
      return false
    }
  }
}
