/** Admits requests by API key: who asks, whether they may, and how often. */
import { HeddleError } from '../core/errors.ts'
import { type UnixMs, unreachable } from '../core/ids.ts'
import { DEFAULT_PROMPT_TRUST } from '../core/routing/prompt-trust.ts'
import type { Admission, Admitted, Caller } from '../ports/admission.ts'
import type { Clock } from '../ports/clock.ts'
import type { ApiKey, Scope } from '../ports/key-store.ts'
import type { Logger } from '../ports/logger.ts'
import type { ApiKeys, Verdict } from './api-keys.ts'
import { parseCredentials } from './credentials.ts'
import { allowsModel, hasScope } from './permissions.ts'
import { isLimited, type RateLimits } from './rate-limits.ts'

const NO_HEADERS: readonly string[] = []

export interface KeyAdmissionDeps {
  readonly keys: Pick<ApiKeys, 'verify' | 'verifyCached'>
  readonly limits: RateLimits
  readonly clock: Pick<Clock, 'now'>
  readonly log: Logger
}

export interface KeyAdmissionOptions {
  /** What a request without any key may do: nothing where keys are required. */
  readonly anonymousScopes: readonly Scope[]
}

export class KeyAdmission implements Admission {
  readonly #keys: Pick<ApiKeys, 'verify' | 'verifyCached'>
  readonly #limits: RateLimits
  readonly #clock: Pick<Clock, 'now'>
  readonly #log: Logger
  readonly #anonymous: Admitted
  /** One object for each cached key without limits, so that the usual request allocates nothing here. */
  readonly #admitted = new WeakMap<ApiKey, Admitted>()

  constructor({ keys, limits, clock, log }: KeyAdmissionDeps, { anonymousScopes }: KeyAdmissionOptions) {
    this.#keys = keys
    this.#limits = limits
    this.#clock = clock
    this.#log = log
    this.#anonymous = {
      keyId: undefined,
      scopes: anonymousScopes,
      allowsModel: () => true,
      limitsModels: false,
      promptTrust: DEFAULT_PROMPT_TRUST,
      headers: NO_HEADERS,
      charge: () => {},
    }
  }

  admit(caller: Caller, scope: Scope): Admitted | Promise<Admitted> {
    const counting = this.#limits.countAddress(caller.remoteAddress)
    return counting === undefined ? this.#identify(caller, scope) : counting.then(() => this.#identify(caller, scope))
  }

  #identify(caller: Caller, scope: Scope): Admitted | Promise<Admitted> {
    const secret = parseCredentials(caller)
    if (secret === undefined) return this.#admitAnonymous(caller, scope)
    const now = this.#clock.now()
    const cached = this.#keys.verifyCached(secret, now)
    return cached === undefined ? this.#lookUp(secret, caller, scope, now) : this.#judge(cached, caller, scope)
  }

  async #lookUp(secret: string, caller: Caller, scope: Scope, now: UnixMs): Promise<Admitted> {
    return await this.#judge(await this.#keys.verify(secret, now), caller, scope)
  }

  #admitAnonymous({ authorization, apiKey }: Caller, scope: Scope): Admitted {
    if (hasScope(this.#anonymous, scope)) return this.#anonymous
    const why =
      authorization === undefined && apiKey === undefined
        ? 'this needs an API key'
        : 'the credentials sent are not an API key of heddle'
    throw wrongKey(`${why}: send "authorization: Bearer sk-heddle-…"`)
  }

  #judge(verdict: Verdict, caller: Caller, scope: Scope): Admitted | Promise<Admitted> {
    switch (verdict.kind) {
      case 'ok':
        return this.#admitKey(verdict.key, scope)
      case 'expired':
        throw wrongKey('this API key has expired')
      case 'revoked':
        throw wrongKey('this API key was revoked')
      case 'unknown':
        return this.#refuseUnknown(caller)
      default:
        return unreachable(verdict)
    }
  }

  #admitKey(key: ApiKey, scope: Scope): Admitted | Promise<Admitted> {
    if (!hasScope(key, scope)) {
      throw new HeddleError('insufficient_scope', `this API key may not do this: it needs the scope "${scope}"`, {
        fix: `heddle keys create --scope ${scope}`,
        metadata: { needed: scope, granted: key.scopes },
      })
    }
    if (isLimited(key)) return this.#limits.countRequest(key).then((headers) => this.#limited(key, headers))
    const known = this.#admitted.get(key)
    if (known !== undefined) return known
    const admitted = admittedOf(key, NO_HEADERS, () => {})
    this.#admitted.set(key, admitted)
    return admitted
  }

  #limited(key: ApiKey, headers: readonly string[]): Admitted {
    return admittedOf(key, headers, (tokens) => {
      this.#limits.chargeTokens(key, tokens).catch((err: unknown) => {
        // The answer is out already; the count is short by it, which the next window forgets.
        this.#log.warn({ keyId: key.id, err }, 'tokens not counted')
      })
    })
  }

  async #refuseUnknown({ remoteAddress }: Caller): Promise<never> {
    await this.#limits.countGuess(remoteAddress)
    throw wrongKey('this API key is not known here')
  }
}

function admittedOf(key: ApiKey, headers: readonly string[], charge: (tokens: number) => void): Admitted {
  return {
    keyId: key.id,
    scopes: key.scopes,
    allowsModel: (model) => allowsModel(key, model),
    limitsModels: key.models.length > 0,
    promptTrust: key.promptTrust,
    headers,
    charge,
  }
}

function wrongKey(message: string): HeddleError {
  return new HeddleError('invalid_api_key', message, { fix: 'heddle keys ls' })
}
