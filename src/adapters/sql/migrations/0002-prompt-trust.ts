/** How far prompts that come with a key may travel; keys made before there was a mesh get what new ones get. */
import type { Kysely } from 'kysely'
import type { Migration } from 'kysely/migration'

export const promptTrust: Migration = {
  async up(db: Kysely<unknown>): Promise<void> {
    await db.schema
      .alterTable('api_key')
      .addColumn('prompt_trust', 'text', (column) => column.notNull().defaultTo('network'))
      .execute()
  },
}
