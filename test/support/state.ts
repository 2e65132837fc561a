/** A state database of its own for a test, and a request log on it. */
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { MemoryClock } from '../../src/adapters/memory/memory-clock.ts'
import { openState, type State } from '../../src/adapters/sql/open-state.ts'
import { SqlRequestLog } from '../../src/adapters/sql/sql-request-log.ts'
import { RecordingLogger } from './recording-logger.ts'
import { temporaryFolder } from './tmp.ts'

/** Closed and removed when the test ends. */
export async function openTestState(t: TestContext, folder?: string): Promise<State> {
  const path = join(folder ?? (await temporaryFolder(t)), 'state.db')
  const state = await openState({ path, log: new RecordingLogger(), clock: new MemoryClock() })
  t.after(() => state[Symbol.asyncDispose]())
  return state
}

export interface TestLog {
  readonly state: State
  readonly requestLog: SqlRequestLog
  readonly clock: MemoryClock
  readonly log: RecordingLogger
  /** Rows counted as dropped so far. */
  dropped(): number
}

export async function openTestLog(t: TestContext, folder?: string): Promise<TestLog> {
  const state = await openTestState(t, folder)
  const clock = new MemoryClock()
  const log = new RecordingLogger()
  let dropped = 0
  const metrics = {
    requestLogDropped(rows: number) {
      dropped += rows
    },
  }
  const requestLog = new SqlRequestLog({ worker: state.worker, clock, log, metrics })
  return { state, requestLog, clock, log, dropped: () => dropped }
}
