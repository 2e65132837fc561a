/** API keys in a SQL database. */
import type { Kysely, Selectable } from 'kysely'
import { asKeyId, asUnixMs, type KeyId, type UnixMs } from '../../core/ids.ts'
import { parsePromptTrust } from '../../core/routing/prompt-trust.ts'
import type { ApiKey, KeyStore, Scope } from '../../ports/key-store.ts'
import type { ApiKeyTable, StateSchema } from './schema.ts'
import { storing } from './sql-errors.ts'

export class SqlKeyStore implements KeyStore {
  readonly #db: Kysely<StateSchema>

  constructor({ db }: { readonly db: Kysely<StateSchema> }) {
    this.#db = db
  }

  async insert(key: ApiKey): Promise<void> {
    const row: ApiKeyTable = {
      id: key.id,
      name: key.name,
      hash: key.hash,
      hint: key.hint,
      scopes: JSON.stringify(key.scopes),
      models: JSON.stringify(key.models),
      requests_per_minute: key.requestsPerMinute ?? null,
      tokens_per_minute: key.tokensPerMinute ?? null,
      created_at: key.createdAt,
      expires_at: key.expiresAt ?? null,
      revoked_at: key.revokedAt ?? null,
      prompt_trust: key.promptTrust,
    }
    await storing(`key ${key.id}`, () => this.#db.insertInto('api_key').values(row).execute())
  }

  async findByHash(hash: string): Promise<ApiKey | undefined> {
    const row = await this.#db.selectFrom('api_key').selectAll().where('hash', '=', hash).executeTakeFirst()
    return row && keyOf(row)
  }

  async list(): Promise<readonly ApiKey[]> {
    const rows = await this.#db.selectFrom('api_key').selectAll().orderBy('created_at').orderBy('id').execute()
    return rows.map(keyOf)
  }

  async revoke(id: KeyId, at: UnixMs): Promise<boolean> {
    const update = this.#db
      .updateTable('api_key')
      .set({ revoked_at: at })
      .where('id', '=', id)
      .where('revoked_at', 'is', null)
    const { numUpdatedRows } = await storing(`that key ${id} is revoked`, () => update.executeTakeFirstOrThrow())
    return numUpdatedRows > 0n
  }
}

function keyOf(row: Selectable<ApiKeyTable>): ApiKey {
  return {
    id: asKeyId(row.id),
    name: row.name,
    hash: row.hash,
    hint: row.hint,
    scopes: JSON.parse(row.scopes) as Scope[],
    models: JSON.parse(row.models) as string[],
    requestsPerMinute: row.requests_per_minute ?? undefined,
    tokensPerMinute: row.tokens_per_minute ?? undefined,
    // A value that nobody wrote must not widen what a key may do.
    promptTrust: parsePromptTrust(row.prompt_trust) ?? 'self',
    createdAt: asUnixMs(row.created_at),
    expiresAt: row.expires_at === null ? undefined : asUnixMs(row.expires_at),
    revokedAt: row.revoked_at === null ? undefined : asUnixMs(row.revoked_at),
  }
}
