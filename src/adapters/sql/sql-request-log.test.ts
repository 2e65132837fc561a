/** The request log under load, on full disks and without its thread: rows may be lost, never order, memory or the process. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { copyFile, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { describe, it, type TestContext } from 'node:test'
import fc from 'fast-check'
import { sampleKey } from '../../../test/contracts/key-store.contract.ts'
import { sampleRecord } from '../../../test/contracts/request-log.contract.ts'
import { RecordingLogger } from '../../../test/support/recording-logger.ts'
import { openTestLog, openTestState, type TestLog } from '../../../test/support/state.ts'
import { temporaryFolder } from '../../../test/support/tmp.ts'
import { limit } from '../../core/limits.ts'
import { MemoryClock } from '../memory/memory-clock.ts'
import { SqlKeyStore } from './sql-key-store.ts'
import { SqlRequestLog } from './sql-request-log.ts'
import { SqliteWorker } from './sqlite-worker.ts'

const BATCH = limit('requestLogBatchItems')
const QUEUE = limit('requestLogQueueItems')

async function storedPlaces({ requestLog }: Pick<TestLog, 'requestLog'>): Promise<number[]> {
  const records = await requestLog.latest({ limit: 100_000 })
  return records.map(({ at }) => at - sampleRecord(0).at).toReversed()
}

function places(count: number): number[] {
  return Array.from({ length: count }, (_, place) => place)
}

/** Lets the connection of the log grow to no more than `extra` pages above what it has. */
async function boundPages(worker: SqliteWorker, extra: number): Promise<void> {
  const [used] = (await worker.query('pragma page_count', [])).rows as { page_count: number }[]
  await worker.query(`pragma max_page_count = ${(used?.page_count ?? 0) + extra}`, [])
}

/** A folder on a disk of 1 MiB, gone when the test ends; undefined where this process may not mount one. */
async function smallDisk(t: TestContext): Promise<string | undefined> {
  const folder = await mkdtemp(join(tmpdir(), 'heddle-disk-'))
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m,mode=0700', 'tmpfs', folder], { stdio: 'ignore' })
  } catch {
    await rm(folder, { recursive: true })
    return undefined
  }
  t.after(async () => {
    execFileSync('umount', ['-l', folder], { stdio: 'ignore' })
    await rm(folder, { recursive: true })
  })
  return folder
}

describe('SqlRequestLog', () => {
  it('keeps every row in order however appends, flushes, reads and pauses interleave', async (t) => {
    const step = fc.oneof(
      { weight: 6, arbitrary: fc.record({ kind: fc.constant('append'), count: fc.integer({ min: 1, max: 40 }) }) },
      { weight: 1, arbitrary: fc.record({ kind: fc.constant('append'), count: fc.constant(BATCH + 1) }) },
      { weight: 2, arbitrary: fc.record({ kind: fc.constantFrom('flush', 'flush and go on', 'pause', 'read') }) },
    )
    const { state } = await openTestLog(t)
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 20 }), async (steps) => {
        await state.worker.db.deleteFrom('request_log').execute()
        const clock = new MemoryClock()
        const metrics = { requestLogDropped: () => assert.fail('dropped') }
        const requestLog = new SqlRequestLog({ worker: state.worker, clock, log: new RecordingLogger(), metrics })
        const running: Promise<unknown>[] = []
        let appended = 0
        for (const { kind, count = 0 } of steps as { kind: string; count?: number }[]) {
          for (let row = 0; row < count; row++) requestLog.append(sampleRecord(appended++))
          if (kind === 'flush') await requestLog.flush()
          if (kind === 'flush and go on') running.push(requestLog.flush())
          if (kind === 'pause') await clock.advance(limit('requestLogFlushMs'))
          if (kind === 'read') assert.deepEqual(await storedPlaces({ requestLog }), places(appended))
        }
        await Promise.all(running)
        await requestLog[Symbol.asyncDispose]()
        assert.deepEqual(await storedPlaces({ requestLog }), places(appended))
      }),
      { numRuns: 40 },
    )
  })

  it('writes by itself after a while, and at once when a batch is full', async (t) => {
    const { requestLog, clock, state } = await openTestLog(t)
    const stored = async () => (await state.worker.db.selectFrom('request_log').select('id').execute()).length
    requestLog.append(sampleRecord(0))
    await clock.advance(limit('requestLogFlushMs') - 1)
    assert.equal(await stored(), 0)
    await clock.advance(1)
    assert.equal(await stored(), 1)
    for (let place = 1; place <= BATCH; place++) requestLog.append(sampleRecord(place))
    assert.equal(await stored(), 1 + BATCH)
  })

  it('holds no more rows than its bound and counts the rest', async (t) => {
    const scope = await openTestLog(t)
    for (let place = 0; place < QUEUE + 250; place++) scope.requestLog.append(sampleRecord(place))
    assert.equal(scope.dropped(), 250)
    await scope.requestLog.flush()
    assert.deepEqual(await storedPlaces(scope), places(QUEUE))
    assert.deepEqual(
      scope.log.records.map(({ level, message }) => [level, message]),
      [['warn', 'request log rows dropped']],
    )
  })

  it('drops and counts on a full disk, warns once a minute, and goes on when there is space', async (t) => {
    const scope = await openTestLog(t)
    const { requestLog, state, clock, log } = scope
    requestLog.append(sampleRecord(0))
    await requestLog.flush()
    await boundPages(state.worker, 2)
    for (let place = 1; place <= 300; place++) requestLog.append(sampleRecord(place))
    await requestLog.flush()
    assert.equal(scope.dropped(), 300)
    for (let place = 301; place <= 600; place++) requestLog.append(sampleRecord(place))
    await requestLog.flush()
    assert.equal(scope.dropped(), 600)
    assert.deepEqual(
      log.records.map(({ fields }) => [fields['rows'], fields['reason']]),
      [[300, 'full']],
    )
    await clock.advance(60_000)
    for (let place = 601; place <= 900; place++) requestLog.append(sampleRecord(place))
    await requestLog.flush()
    assert.deepEqual(
      log.records.map(({ fields }) => fields['rows']),
      [300, 600],
    )
    await boundPages(state.worker, 10_000)
    requestLog.append(sampleRecord(1_000))
    assert.deepEqual(await storedPlaces(scope), [0, 1_000])
  })

  it('survives a real disk that is full', async (t) => {
    const folder = await smallDisk(t)
    // Where no disk can be mounted the case above stands for this one.
    if (folder === undefined) return t.diagnostic('no right to mount a small disk here')
    const scope = await openTestLog(t, folder)
    scope.requestLog.append(sampleRecord(0))
    await scope.requestLog.flush()
    const ballast = join(folder, 'ballast')
    await writeFile(ballast, Buffer.alloc(2 << 20)).catch((error: NodeJS.ErrnoException) =>
      assert.equal(error.code, 'ENOSPC'),
    )
    for (let place = 1; place <= 2_000; place++) scope.requestLog.append(sampleRecord(place))
    await scope.requestLog.flush()
    assert(scope.dropped() > 0)
    const keys = new SqlKeyStore(scope.state)
    await assert.rejects(
      async () => {
        for (let number = 0; number < 500; number++) await keys.insert(sampleKey(`full-${number}`))
      },
      { code: 'storage_full' },
    )
    await rm(ballast)
    await keys.insert(sampleKey('afterwards'))
    scope.requestLog.append(sampleRecord(9_999))
    assert.equal((await storedPlaces(scope)).at(-1), 9_999)
    assert(await keys.findByHash(sampleKey('afterwards').hash))
  })

  it('counts what its thread could not take, and starts the thread again', async (t) => {
    const { state, clock, log } = await openTestLog(t)
    const path = join(await temporaryFolder(t), 'later', 'state.db')
    await using worker = new SqliteWorker({ path })
    let dropped = 0
    const metrics = {
      requestLogDropped(rows: number) {
        dropped += rows
      },
    }
    await using requestLog = new SqlRequestLog({ worker, clock, log, metrics })
    requestLog.append(sampleRecord(0))
    await requestLog.flush()
    assert.deepEqual([dropped, log.records[0]?.fields['reason']], [1, 'unopenable'])
    await state.worker.query('pragma wal_checkpoint(truncate)', [])
    await mkdir(dirname(path))
    await copyFile(state.path, path)
    requestLog.append(sampleRecord(1))
    assert.deepEqual(await storedPlaces({ requestLog }), [1])
  })

  it('stores what waits when it is disposed', async (t) => {
    const folder = await temporaryFolder(t)
    const { requestLog, state } = await openTestLog(t, folder)
    for (let place = 0; place < 700; place++) requestLog.append(sampleRecord(place))
    await requestLog[Symbol.asyncDispose]()
    await state[Symbol.asyncDispose]()
    const again = await openTestState(t, folder)
    assert.equal((await again.db.selectFrom('request_log').select('id').execute()).length, 700)
  })
})
