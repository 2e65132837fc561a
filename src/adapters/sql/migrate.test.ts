/** Migrations go forward only, wholly or not at all, and released ones never change. */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { describe, it } from 'node:test'
import { Kysely } from 'kysely'
import { MIGRATIONS, migrate } from './migrate.ts'
import { sqliteDialect, sqliteDriver } from './node-sqlite.ts'
import type { StateSchema } from './schema.ts'

/** SHA-256 of each migration's source. A released migration is never edited: a new one is added. */
const CHECKSUMS: Readonly<Record<string, string>> = {
  '0001-first': 'dadb2a6073e2c2fd16e99d3de1d443cf4df07bb770e0a7e37592ddbf6724bee0',
  '0002-prompt-trust': '02b0ffed60caaad88a8f69206538762b0231da58896286a6b8011109953c9d13',
  '0003-services': 'b723b92c1a3330ed114e53055f1affdb36ba6c951709ed4fc745395c8b0b6374',
}

function memoryDatabase() {
  const database = new DatabaseSync(':memory:')
  const db = new Kysely<StateSchema>({ dialect: sqliteDialect(() => sqliteDriver(database)) })
  const tables = () =>
    database
      .prepare("select name from sqlite_master where type = 'table' order by name")
      .all()
      .map((row) => row['name'])
  return { db, tables, [Symbol.asyncDispose]: () => db.destroy() }
}

describe('migrate', () => {
  it('makes the tables, and makes them once', async () => {
    await using memory = memoryDatabase()
    await migrate(memory.db)
    await migrate(memory.db)
    for (const table of ['api_key', 'request_log', 'runtime', 'seen_model', 'service'])
      assert(memory.tables().includes(table), table)
  })

  it('takes a migration that fails halfway back', async () => {
    await using memory = memoryDatabase()
    const failing = {
      async up(db: Kysely<unknown>) {
        await db.schema.createTable('half').addColumn('id', 'text').execute()
        throw new Error('no further')
      },
    }
    await assert.rejects(migrate(memory.db, { ...MIGRATIONS, '9999-failing': failing }), /no further/)
    assert(!memory.tables().includes('half'))
    await migrate(memory.db)
  })

  it('knows every file of the folder, in order', () => {
    const files = readdirSync(join(import.meta.dirname, 'migrations')).map((file) => file.replace(/\.ts$/, ''))
    assert.deepEqual(Object.keys(MIGRATIONS), files.sort())
  })

  it('finds released migrations unchanged', () => {
    for (const name of Object.keys(MIGRATIONS)) {
      const source = readFileSync(join(import.meta.dirname, 'migrations', `${name}.ts`))
      assert.equal(createHash('sha256').update(source).digest('hex'), CHECKSUMS[name], name)
    }
  })
})
