/** Brings a state database to the tables that this version knows; forward only. */
import type { Kysely } from 'kysely'
import { type Migration, Migrator } from 'kysely/migration'
import { HeddleError } from '../../core/errors.ts'
import { first } from './migrations/0001-first.ts'
import { promptTrust } from './migrations/0002-prompt-trust.ts'
import { services } from './migrations/0003-services.ts'
import type { StateSchema } from './schema.ts'

/** By number; one that was released never changes (a test holds their checksums): add another one instead. */
export const MIGRATIONS: Readonly<Record<string, Migration>> = {
  '0001-first': first,
  '0002-prompt-trust': promptTrust,
  '0003-services': services,
}

/** Runs what is missing, each migration in one transaction. Refuses a database that a newer version has changed (`state_newer`). */
export async function migrate(
  db: Kysely<StateSchema>,
  migrations: Readonly<Record<string, Migration>> = MIGRATIONS,
): Promise<void> {
  const migrator = new Migrator({ db, provider: { getMigrations: () => Promise.resolve({ ...migrations }) } })
  const unknown = (await appliedNames(db)).filter((name) => !Object.hasOwn(migrations, name))
  if (unknown.length > 0) {
    throw new HeddleError('state_newer', `the state was written by a newer heddle: it has ${unknown.join(', ')}`, {
      fix: 'heddle version',
    })
  }
  const { error } = await migrator.migrateToLatest()
  if (error === undefined) return
  throw error instanceof Error ? error : new Error('a migration failed', { cause: error })
}

async function appliedNames(db: Kysely<StateSchema>): Promise<readonly string[]> {
  const tables = await db.introspection.getTables({ withInternalKyselyTables: true })
  if (!tables.some(({ name }) => name === 'kysely_migration')) return []
  const own = db.withTables<{ kysely_migration: { name: string } }>()
  return (await own.selectFrom('kysely_migration').select('name').orderBy('name').execute()).map(({ name }) => name)
}
