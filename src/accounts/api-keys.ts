/** Makes, checks and revokes API keys. A secret is shown once, when its key is made; only its SHA-256 is kept. */
import type { KeyId, UnixMs } from '../core/ids.ts'
import { DEFAULT_PROMPT_TRUST } from '../core/routing/prompt-trust.ts'
import type { Clock } from '../ports/clock.ts'
import type { IdSource } from '../ports/id-source.ts'
import type { ApiKey, KeyStore } from '../ports/key-store.ts'
import { KeyCache } from './key-cache.ts'
import { hasScope } from './permissions.ts'

const SECRET_PREFIX = 'sk-heddle-'
/** 256 bits, 43 characters of base64url. */
const SECRET_BYTES = 32
const HINT_CHARACTERS = 4

export type Verdict =
  | { readonly kind: 'ok'; readonly key: ApiKey }
  | { readonly kind: 'unknown' }
  | { readonly kind: 'expired' }
  | { readonly kind: 'revoked' }

const UNKNOWN: Verdict = { kind: 'unknown' }
const EXPIRED: Verdict = { kind: 'expired' }
const REVOKED: Verdict = { kind: 'revoked' }

/** What the maker of a key chooses. */
export type NewApiKey = Pick<
  ApiKey,
  'name' | 'scopes' | 'models' | 'requestsPerMinute' | 'tokensPerMinute' | 'promptTrust' | 'expiresAt'
>

export interface MadeKey {
  readonly key: ApiKey
  /** Shown to the person who asked for it and kept nowhere. */
  readonly secret: string
}

export interface ApiKeysDeps {
  readonly store: KeyStore
  readonly ids: Pick<IdSource, 'keyId' | 'secret'>
  readonly clock: Pick<Clock, 'now'>
  /** SHA-256 as lower-case hex. */
  readonly hash: (text: string) => string
}

export class ApiKeys {
  readonly #store: KeyStore
  readonly #ids: Pick<IdSource, 'keyId' | 'secret'>
  readonly #clock: Pick<Clock, 'now'>
  readonly #hash: (text: string) => string
  readonly #cache = new KeyCache()
  /** Lookups on their way, so that a burst of requests with one key asks the store once. */
  readonly #lookups = new Map<string, Promise<ApiKey | undefined>>()

  constructor({ store, ids, clock, hash }: ApiKeysDeps) {
    this.#store = store
    this.#ids = ids
    this.#clock = clock
    this.#hash = hash
  }

  /** Resolves once the key is stored. Fails with `storage_full` on a full disk. */
  async create(wanted: NewApiKey): Promise<MadeKey> {
    const secret = SECRET_PREFIX + this.#ids.secret(SECRET_BYTES)
    const key: ApiKey = {
      id: this.#ids.keyId(),
      name: wanted.name,
      hash: this.#hash(secret),
      hint: secret.slice(-HINT_CHARACTERS),
      scopes: [...wanted.scopes],
      models: [...wanted.models],
      requestsPerMinute: wanted.requestsPerMinute,
      tokensPerMinute: wanted.tokensPerMinute,
      promptTrust: wanted.promptTrust,
      createdAt: this.#clock.now(),
      expiresAt: wanted.expiresAt,
      revokedAt: undefined,
    }
    await this.#store.insert(key)
    this.#cache.forgetHash(key.hash)
    return { key, secret }
  }

  /** What `secret` is worth at `now`; at once, without a promise, when it was asked about lately. */
  verify(secret: string, now: UnixMs): Verdict | Promise<Verdict> {
    const hash = this.#hash(secret)
    return this.#cached(hash, now) ?? this.#lookUp(hash, now).then((key) => verdictOf(key, now))
  }

  /** The same without asking the store; undefined where that would be needed. */
  verifyCached(secret: string, now: UnixMs): Verdict | undefined {
    return this.#cached(this.#hash(secret), now)
  }

  list(): Promise<readonly ApiKey[]> {
    return this.#store.list()
  }

  /** False where no such key is, or it is revoked already. The next request with it is refused. */
  async revoke(id: KeyId): Promise<boolean> {
    const isRevoked = await this.#store.revoke(id, this.#clock.now())
    this.#cache.forgetKey(id)
    return isRevoked
  }

  /** Makes a key for everything when no key in force may administer: otherwise nobody could make one. */
  async ensureFirst(): Promise<MadeKey | undefined> {
    const now = this.#clock.now()
    const keys = await this.#store.list()
    if (keys.some((key) => verdictOf(key, now).kind === 'ok' && hasScope(key, 'admin'))) return undefined
    return await this.create({
      name: 'first key',
      scopes: ['inference', 'read', 'admin'],
      models: [],
      requestsPerMinute: undefined,
      tokensPerMinute: undefined,
      promptTrust: DEFAULT_PROMPT_TRUST,
      expiresAt: undefined,
    })
  }

  #cached(hash: string, now: UnixMs): Verdict | undefined {
    const cached = this.#cache.get(hash, now)
    if (cached === undefined) return undefined
    return verdictOf(cached === 'absent' ? undefined : cached, now)
  }

  #lookUp(hash: string, now: UnixMs): Promise<ApiKey | undefined> {
    const pending = this.#lookups.get(hash)
    if (pending !== undefined) return pending
    const lookup = this.#readThrough(hash, now).finally(() => this.#lookups.delete(hash))
    this.#lookups.set(hash, lookup)
    return lookup
  }

  async #readThrough(hash: string, now: UnixMs): Promise<ApiKey | undefined> {
    const { generation } = this.#cache
    const key = await this.#store.findByHash(hash)
    // A key made or revoked meanwhile may differ from what was read.
    if (generation === this.#cache.generation) this.#cache.remember(hash, key, now)
    return key
  }
}

function verdictOf(key: ApiKey | undefined, now: UnixMs): Verdict {
  if (key === undefined) return UNKNOWN
  if (key.revokedAt !== undefined) return REVOKED
  if (key.expiresAt !== undefined && key.expiresAt <= now) return EXPIRED
  return { kind: 'ok', key }
}
