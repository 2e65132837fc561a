/** Fits `node:sqlite` to Kysely's SQLite dialect. */
import type { DatabaseSync, SQLInputValue, StatementSync } from 'node:sqlite'
import {
  type Dialect,
  type Driver,
  SqliteAdapter,
  type SqliteDatabase,
  SqliteDriver,
  SqliteIntrospector,
  SqliteQueryCompiler,
  type SqliteStatement,
} from 'kysely'
import { limit } from '../../core/limits.ts'

/** The dialect, over whatever carries its statements. */
export function sqliteDialect(createDriver: () => Driver): Dialect {
  return {
    createDriver,
    createAdapter: () => new TransactionalDdlAdapter(),
    createQueryCompiler: () => new SqliteQueryCompiler(),
    createIntrospector: (db) => new SqliteIntrospector(db),
  }
}

/** Kysely's driver over a connection of this thread; destroying it closes the connection. */
export function sqliteDriver(database: DatabaseSync): Driver {
  return new SqliteDriver({ database: new KyselySqlite(database) })
}

/** SQLite can roll back changes of tables, so a migration is applied wholly or not at all. */
class TransactionalDdlAdapter extends SqliteAdapter {
  override get supportsTransactionalDdl(): boolean {
    return true
  }
}

/** The few methods that Kysely calls; statements are kept prepared. */
class KyselySqlite implements SqliteDatabase {
  readonly #database: DatabaseSync
  readonly #statements = new Map<string, SqliteStatement>()

  constructor(database: DatabaseSync) {
    this.#database = database
  }

  prepare(sql: string): SqliteStatement {
    const known = this.#statements.get(sql)
    if (known) return known
    if (this.#statements.size >= limit('preparedStatements')) this.#statements.clear()
    const statement = statementOf(this.#database.prepare(sql))
    // Statements that change tables are used once.
    if (/^(select|insert|update|delete|with)\b/i.test(sql)) this.#statements.set(sql, statement)
    return statement
  }

  close(): void {
    this.#statements.clear()
    this.#database.close()
  }
}

function statementOf(statement: StatementSync): SqliteStatement {
  const bound = (parameters: readonly unknown[]): SQLInputValue[] => parameters as SQLInputValue[]
  return {
    reader: statement.columns().length > 0,
    // Rows come without a prototype; copies behave like any other object.
    all: (parameters) => statement.all(...bound(parameters)).map((row) => ({ ...row })),
    run: (parameters) => statement.run(...bound(parameters)),
    iterate: (parameters) => statement.iterate(...bound(parameters)),
  }
}
