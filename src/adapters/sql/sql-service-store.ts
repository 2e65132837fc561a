/** Added services in a SQL database. */
import type { Kysely } from 'kysely'
import { asUnixMs } from '../../core/ids.ts'
import type { ServiceStore, StoredService } from '../../ports/service-store.ts'
import type { StateSchema } from './schema.ts'
import { storing } from './sql-errors.ts'

export class SqlServiceStore implements ServiceStore {
  readonly #db: Kysely<StateSchema>

  constructor({ db }: { readonly db: Kysely<StateSchema> }) {
    this.#db = db
  }

  async put({ name, instance, url, groups, capacity, paths, healthPath, addedAt }: StoredService): Promise<void> {
    const rest = {
      url,
      groups: JSON.stringify(groups),
      capacity,
      paths: JSON.stringify(paths),
      health_path: healthPath ?? null,
      added_at: addedAt,
    }
    const insert = this.#db.insertInto('service').values({ name, instance, ...rest })
    await storing(`service ${name}/${instance}`, () =>
      insert.onConflict((on) => on.columns(['name', 'instance']).doUpdateSet(rest)).execute(),
    )
  }

  async remove(name: string, instance: string): Promise<boolean> {
    const removal = this.#db.deleteFrom('service').where('name', '=', name).where('instance', '=', instance)
    const { numDeletedRows } = await removal.executeTakeFirstOrThrow()
    return numDeletedRows > 0n
  }

  async list(): Promise<readonly StoredService[]> {
    const rows = await this.#db
      .selectFrom('service')
      .selectAll()
      .orderBy('added_at')
      .orderBy('name')
      .orderBy('instance')
      .execute()
    return rows.map((row) => ({
      name: row.name,
      instance: row.instance,
      url: row.url,
      groups: textsIn(row.groups),
      capacity: row.capacity,
      paths: textsIn(row.paths),
      healthPath: row.health_path ?? undefined,
      addedAt: asUnixMs(row.added_at),
    }))
  }
}

function textsIn(json: string): readonly string[] {
  const value: unknown = JSON.parse(json)
  return Array.isArray(value) ? value.filter((item) => typeof item === 'string') : []
}
