/** The generic HTTP services that an operator added. */
import type { Kysely } from 'kysely'
import type { Migration } from 'kysely/migration'

export const services: Migration = {
  async up(db: Kysely<unknown>): Promise<void> {
    await db.schema
      .createTable('service')
      .addColumn('name', 'text', (column) => column.notNull())
      .addColumn('instance', 'text', (column) => column.notNull())
      .addColumn('url', 'text', (column) => column.notNull())
      .addColumn('groups', 'text', (column) => column.notNull())
      .addColumn('capacity', 'integer', (column) => column.notNull())
      .addColumn('paths', 'text', (column) => column.notNull())
      .addColumn('health_path', 'text')
      .addColumn('added_at', 'bigint', (column) => column.notNull())
      .addPrimaryKeyConstraint('service_pk', ['name', 'instance'])
      .execute()
  },
}
