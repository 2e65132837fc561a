/** Added runtimes and models seen, in a SQL database. */
import type { Kysely } from 'kysely'
import { asRuntimeId, asUnixMs, type RuntimeId } from '../../core/ids.ts'
import type { RuntimeStore, SeenModel, StoredRuntime } from '../../ports/runtime-store.ts'
import type { StateSchema } from './schema.ts'
import { storing } from './sql-errors.ts'

/** Rows of one insert: three values each, far below what any database takes. */
const SEEN_BATCH = 500

export class SqlRuntimeStore implements RuntimeStore {
  readonly #db: Kysely<StateSchema>

  constructor({ db }: { readonly db: Kysely<StateSchema> }) {
    this.#db = db
  }

  async put({ id, spec, keyFile, addedAt }: StoredRuntime): Promise<void> {
    const rest = { spec, key_file: keyFile ?? null, added_at: addedAt }
    const insert = this.#db.insertInto('runtime').values({ id, ...rest })
    await storing(`runtime ${id}`, () => insert.onConflict((on) => on.column('id').doUpdateSet(rest)).execute())
  }

  async remove(id: RuntimeId): Promise<boolean> {
    const { numDeletedRows } = await this.#db.deleteFrom('runtime').where('id', '=', id).executeTakeFirstOrThrow()
    return numDeletedRows > 0n
  }

  async list(): Promise<readonly StoredRuntime[]> {
    const rows = await this.#db.selectFrom('runtime').selectAll().orderBy('added_at').orderBy('id').execute()
    return rows.map((row) => ({
      id: asRuntimeId(row.id),
      spec: row.spec,
      keyFile: row.key_file ?? undefined,
      addedAt: asUnixMs(row.added_at),
    }))
  }

  async sawModels(models: readonly SeenModel[]): Promise<void> {
    // One statement may name a row once only; the last word counts.
    const rows = [...new Map(models.map((model) => [JSON.stringify([model.id, model.runtime]), model])).values()].map(
      ({ id, runtime, lastSeenAt }) => ({ id, runtime, last_seen_at: lastSeenAt }),
    )
    for (let start = 0; start < rows.length; start += SEEN_BATCH) {
      const insert = this.#db
        .insertInto('seen_model')
        .values(rows.slice(start, start + SEEN_BATCH))
        .onConflict((on) =>
          on.columns(['id', 'runtime']).doUpdateSet((row) => ({ last_seen_at: row.ref('excluded.last_seen_at') })),
        )
      await storing('models seen', () => insert.execute())
    }
  }

  async seenModels(): Promise<readonly SeenModel[]> {
    const rows = await this.#db.selectFrom('seen_model').selectAll().orderBy('id').orderBy('runtime').execute()
    return rows.map((row) => ({ id: row.id, runtime: row.runtime, lastSeenAt: asUnixMs(row.last_seen_at) }))
  }
}
