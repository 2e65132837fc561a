/** The first tables: API keys, runtimes, models seen, the request log. */
import type { Kysely } from 'kysely'
import type { Migration } from 'kysely/migration'

export const first: Migration = {
  async up(db: Kysely<unknown>): Promise<void> {
    await db.schema
      .createTable('api_key')
      .addColumn('id', 'text', (column) => column.primaryKey())
      .addColumn('name', 'text', (column) => column.notNull())
      .addColumn('hash', 'text', (column) => column.notNull().unique())
      .addColumn('hint', 'text', (column) => column.notNull())
      .addColumn('scopes', 'text', (column) => column.notNull())
      .addColumn('models', 'text', (column) => column.notNull())
      .addColumn('requests_per_minute', 'integer')
      .addColumn('tokens_per_minute', 'integer')
      .addColumn('created_at', 'bigint', (column) => column.notNull())
      .addColumn('expires_at', 'bigint')
      .addColumn('revoked_at', 'bigint')
      .execute()
    await db.schema
      .createTable('runtime')
      .addColumn('id', 'text', (column) => column.primaryKey())
      .addColumn('spec', 'text', (column) => column.notNull())
      .addColumn('key_file', 'text')
      .addColumn('added_at', 'bigint', (column) => column.notNull())
      .execute()
    await db.schema
      .createTable('seen_model')
      .addColumn('id', 'text', (column) => column.notNull())
      .addColumn('runtime', 'text', (column) => column.notNull())
      .addColumn('last_seen_at', 'bigint', (column) => column.notNull())
      .addPrimaryKeyConstraint('seen_model_pk', ['id', 'runtime'])
      .execute()
    // No index on the time: request ids sort by age, and each index costs every request.
    await db.schema
      .createTable('request_log')
      .addColumn('id', 'text', (column) => column.primaryKey())
      .addColumn('at', 'bigint', (column) => column.notNull())
      .addColumn('endpoint', 'text', (column) => column.notNull())
      .addColumn('model', 'text', (column) => column.notNull())
      .addColumn('key_id', 'text')
      .addColumn('stream', 'integer', (column) => column.notNull())
      .addColumn('status', 'integer', (column) => column.notNull())
      .addColumn('outcome', 'text', (column) => column.notNull())
      .addColumn('node', 'text')
      .addColumn('runtime', 'text')
      .addColumn('candidates', 'integer', (column) => column.notNull())
      .addColumn('exclusions', 'text', (column) => column.notNull())
      .addColumn('attempts', 'text', (column) => column.notNull())
      .addColumn('input_tokens', 'integer')
      .addColumn('output_tokens', 'integer')
      .addColumn('first_byte_ms', 'double precision')
      .addColumn('duration_ms', 'double precision', (column) => column.notNull())
      .addColumn('finish_reason', 'text')
      .execute()
  },
}
