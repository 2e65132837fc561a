/** Opening the state: private files, damaged and foreign ones left alone, nothing acknowledged lost. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { chmod, mkdir, open, readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { DatabaseSync } from 'node:sqlite'
import { describe, it } from 'node:test'
import { sampleKey } from '../../../test/contracts/key-store.contract.ts'
import { RecordingLogger } from '../../../test/support/recording-logger.ts'
import { openTestState } from '../../../test/support/state.ts'
import { temporaryFolder } from '../../../test/support/tmp.ts'
import { HeddleError } from '../../core/errors.ts'
import { MemoryClock } from '../memory/memory-clock.ts'
import { openState } from './open-state.ts'
import { SqlKeyStore } from './sql-key-store.ts'

const deps = () => ({ log: new RecordingLogger(), clock: new MemoryClock() })

async function refusal(path: string): Promise<HeddleError> {
  try {
    const state = await openState({ path, ...deps() })
    await state[Symbol.asyncDispose]()
  } catch (error) {
    assert(error instanceof HeddleError, String(error))
    return error
  }
  throw new Error('the state was opened')
}

async function modeOf(path: string): Promise<string> {
  return ((await stat(path)).mode & 0o777).toString(8)
}

describe('openState', () => {
  it('makes folder and files that only their owner can read', async (t) => {
    const folder = join(await temporaryFolder(t), 'new', 'state')
    await mkdir(join(folder, '..'))
    const state = await openTestState(t, folder)
    await new SqlKeyStore(state).insert(sampleKey('a'))
    await state.worker.query('select 1', [])
    assert.equal(await modeOf(folder), '700')
    const files = await readdir(folder)
    assert(files.includes('state.db-wal'), files.join())
    for (const file of files) assert.equal(await modeOf(join(folder, file)), '600', file)
  })

  it('takes others’ right to read an existing file', async (t) => {
    const folder = await temporaryFolder(t)
    await writeFile(join(folder, 'state.db'), '')
    await chmod(join(folder, 'state.db'), 0o644)
    await openTestState(t, folder)
    assert.equal(await modeOf(join(folder, 'state.db')), '600')
  })

  it('writes ahead and keeps foreign keys on', async (t) => {
    const state = await openTestState(t)
    const pragma = async (name: string) => (await state.worker.query(`pragma ${name}`, [])).rows?.[0]
    assert.deepEqual(await pragma('journal_mode'), { journal_mode: 'wal' })
    assert.deepEqual(await pragma('foreign_keys'), { foreign_keys: 1 })
    assert.deepEqual(await pragma('synchronous'), { synchronous: 1 })
  })

  it('opens again what it wrote', async (t) => {
    const folder = await temporaryFolder(t)
    const key = sampleKey('a')
    const state = await openTestState(t, folder)
    await new SqlKeyStore(state).insert(key)
    await state[Symbol.asyncDispose]()
    const again = await openTestState(t, folder)
    assert.deepEqual(await new SqlKeyStore(again).list(), [key])
  })

  it('loses no stored key when the process is killed', async (t) => {
    const path = join(await temporaryFolder(t), 'state.db')
    const program = join(import.meta.dirname, '../../../test/support/insert-key.ts')
    const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', program, path], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    t.after(() => child.kill('SIGKILL'))
    const acknowledged: string[] = []
    for await (const line of createInterface({ input: child.stdout })) {
      acknowledged.push(line)
      if (acknowledged.length === 20) child.kill('SIGKILL')
    }
    assert.equal(child.signalCode ?? 'SIGKILL', 'SIGKILL')
    const state = await openState({ path, ...deps() })
    t.after(() => state[Symbol.asyncDispose]())
    const stored = new Set((await new SqlKeyStore(state).list()).map(({ hash }) => hash))
    assert(acknowledged.length >= 20)
    for (const hash of acknowledged) assert(stored.has(hash), `lost key after ${acknowledged.length}`)
  })

  it('refuses a file that is no database and leaves it as it is', async (t) => {
    const path = join(await temporaryFolder(t), 'state.db')
    const garbage = Buffer.from('this was never a database '.repeat(400))
    await writeFile(path, garbage, { mode: 0o600 })
    const error = await refusal(path)
    assert.equal(error.code, 'state_corrupt')
    assert.match(error.message, new RegExp(path))
    assert.match(error.details.fix ?? '', new RegExp(`mv .*|${path}`))
    assert.deepEqual(await readFile(path), garbage)
  })

  it('refuses a damaged database and leaves it as it is', async (t) => {
    const folder = await temporaryFolder(t)
    const path = join(folder, 'state.db')
    const state = await openTestState(t, folder)
    const store = new SqlKeyStore(state)
    for (let number = 0; number < 200; number++) await store.insert(sampleKey(`k${number}`))
    await state[Symbol.asyncDispose]()
    const file = await open(path, 'r+')
    const { size } = await file.stat()
    // Every page but the first: tables and indexes no longer agree with each other.
    for (let at = 4096; at < size; at += 4096) await file.write(Buffer.alloc(512, 0xa5), 0, 512, at)
    await file.close()
    const before = await readFile(path)
    const error = await refusal(path)
    assert.equal(error.code, 'state_corrupt')
    assert.deepEqual(await readFile(path), before)
  })

  it('tells a literal command that mends it', async (t) => {
    const path = join(await temporaryFolder(t), 'state.db')
    await writeFile(path, 'x'.repeat(5_000))
    const { fix = '' } = (await refusal(path)).details
    const child = spawn('sh', ['-c', fix], { stdio: 'inherit' })
    await new Promise((resolve) => child.once('exit', resolve))
    assert.equal((await readFile(`${path}.broken`, 'utf8')).length, 5_000)
    const state = await openState({ path, ...deps() })
    await state[Symbol.asyncDispose]()
  })

  it('refuses the state of a newer heddle and leaves it as it is', async (t) => {
    const folder = await temporaryFolder(t)
    const path = join(folder, 'state.db')
    const state = await openTestState(t, folder)
    await state[Symbol.asyncDispose]()
    const database = new DatabaseSync(path)
    database.exec("insert into kysely_migration values ('9999-later', '2030-01-01T00:00:00.000Z')")
    database.close()
    const before = await readFile(path)
    const error = await refusal(path)
    assert.equal(error.code, 'state_newer')
    assert.match(error.message, /9999-later/)
    assert.deepEqual(await readFile(path), before)
  })

  it('says what is wrong where the file cannot be opened', async (t) => {
    const folder = await temporaryFolder(t)
    await mkdir(join(folder, 'state.db'))
    assert.equal((await refusal(join(folder, 'state.db'))).code, 'config_invalid')
  })
})
