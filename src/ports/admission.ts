/** Who may ask for what: keys, scopes and rates, as the gateway needs them. */
import type { KeyId } from '../core/ids.ts'
import type { PromptTrust } from '../core/routing/prompt-trust.ts'
import type { Scope } from './key-store.ts'

/** What a request says of itself before its body is read. */
export interface Caller {
  readonly authorization: string | undefined
  /** `x-api-key` or `api-key`. */
  readonly apiKey: string | undefined
  readonly remoteAddress: string
}

export interface Admitted {
  /** Undefined where keys are not required. */
  readonly keyId: KeyId | undefined
  readonly scopes: readonly Scope[]
  allowsModel(model: string): boolean
  /** Whether there is a model that it does not allow. */
  readonly limitsModels: boolean
  /** How far the prompts of this caller may travel. */
  readonly promptTrust: PromptTrust
  /** `x-ratelimit-*` headers, name and value in turn; empty for a key without limits. */
  readonly headers: readonly string[]
  /** To be called once with the tokens of the answer, input and output together. */
  charge(tokens: number): void
}

/**
 * Every implementation promises that `admit` throws (or rejects with) a HeddleError `invalid_api_key`, `insufficient_scope` or
 * `rate_limit_exceeded`, that a key seen lately is answered without waiting, and that it never logs a secret.
 */
export interface Admission {
  admit(caller: Caller, scope: Scope): Admitted | Promise<Admitted>
}
