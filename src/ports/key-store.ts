/** API keys at rest. Only a SHA-256 of the secret is kept. */
import type { KeyId, UnixMs } from '../core/ids.ts'
import type { PromptTrust } from '../core/routing/prompt-trust.ts'

export type Scope = 'inference' | 'read' | 'admin'

export interface ApiKey {
  readonly id: KeyId
  readonly name: string
  /** SHA-256 of the whole secret, lower-case hex. */
  readonly hash: string
  /** The last four characters of the secret, to tell keys apart. */
  readonly hint: string
  readonly scopes: readonly Scope[]
  /** Model ids or patterns with a trailing `*`; empty means every model. */
  readonly models: readonly string[]
  /** Requests a minute; undefined means no bound of the key's own. */
  readonly requestsPerMinute: number | undefined
  /** Tokens a minute, input and output together. */
  readonly tokensPerMinute: number | undefined
  /** How far prompts that come with this key may travel. */
  readonly promptTrust: PromptTrust
  readonly createdAt: UnixMs
  readonly expiresAt: UnixMs | undefined
  readonly revokedAt: UnixMs | undefined
}

/**
 * Every implementation promises that an inserted or revoked key is seen by the next read, also after a crash,
 * and that ids and hashes are unique.
 */
export interface KeyStore {
  insert(key: ApiKey): Promise<void>
  findByHash(hash: string): Promise<ApiKey | undefined>
  list(): Promise<readonly ApiKey[]>
  /** False where no such key is, or it is revoked already. */
  revoke(id: KeyId, at: UnixMs): Promise<boolean>
}
