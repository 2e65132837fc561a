/** The entry of the thread that owns the second connection to the state database; see sqlite-worker.ts for its other side. */
import type { DatabaseSync, SQLInputValue } from 'node:sqlite'
import { parentPort, workerData } from 'node:worker_threads'
import type { SqlValue } from './schema.ts'
import { openSqlite } from './sqlite-connection.ts'
import type { WorkerAnswer, WorkerData, WorkerRequest } from './sqlite-worker.ts'

function serve(database: DatabaseSync, answer: (message: WorkerAnswer) => void): (request: WorkerRequest) => void {
  return (request) => {
    try {
      answer({ id: request.id, ...run(database, request) })
    } catch (error) {
      const { message, errcode } = error as Error & { errcode?: number }
      answer({ id: request.id, failure: { message, errcode } })
    }
  }
}

function run(database: DatabaseSync, request: WorkerRequest): Omit<WorkerAnswer, 'id'> {
  switch (request.kind) {
    case 'query': {
      const statement = database.prepare(request.sql)
      const parameters = request.parameters as SQLInputValue[]
      if (statement.columns().length > 0) return { rows: statement.all(...parameters).map((row) => ({ ...row })) }
      return { changes: Number(statement.run(...parameters).changes) }
    }
    case 'rows':
      return { changes: insertRows(database, request.sql, request.rows) }
    case 'close':
      database.close()
      return {}
  }
}

/** All rows or none, through one prepared statement. */
function insertRows(database: DatabaseSync, sql: string, rows: readonly (readonly SqlValue[])[]): number {
  const statement = database.prepare(sql)
  let changes = 0
  database.exec('begin immediate')
  try {
    for (const row of rows) changes += Number(statement.run(...row).changes)
    database.exec('commit')
  } catch (error) {
    // A full disk has rolled back already.
    if (database.isTransaction) database.exec('rollback')
    throw error
  }
  return changes
}

const port = parentPort
if (port !== null) {
  const { path } = workerData as WorkerData
  const listen = serve(openSqlite(path, 'normal'), (message) => port.postMessage(message))
  port.on('message', (request: WorkerRequest) => {
    listen(request)
    if (request.kind === 'close') port.close()
  })
}
