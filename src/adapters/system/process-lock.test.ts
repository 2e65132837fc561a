/** The lock between processes, within one and across two. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { temporaryFolder } from '../../../test/support/tmp.ts'
import { takeProcessLock } from './process-lock.ts'

describe('takeProcessLock', () => {
  it('gives the lock to one at a time', async (t) => {
    const path = join(await temporaryFolder(t), 'new', 'node.lock')
    const first = await takeProcessLock(path)
    assert.ok(first)
    assert.equal(await takeProcessLock(path), undefined)
    assert.equal((await stat(path)).mode & 0o777, 0o600)
    first[Symbol.dispose]()
    const second = await takeProcessLock(path)
    assert.ok(second)
    second[Symbol.dispose]()
  })

  it('is free again once its holder was killed', async (t) => {
    const path = join(await temporaryFolder(t), 'node.lock')
    const program = `
      import { takeProcessLock } from ${JSON.stringify(new URL('./process-lock.ts', import.meta.url).href)}
      globalThis.lock = await takeProcessLock(${JSON.stringify(path)})
      console.log(lock === undefined ? 'refused' : 'taken')
      setInterval(() => {}, 1_000)`
    const child = spawn(process.execPath, ['--input-type=module', '--eval', program], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    t.after(() => child.kill('SIGKILL'))
    const [line] = (await once(child.stdout, 'data')) as [Buffer]
    assert.equal(line.toString().trim(), 'taken')
    assert.equal(await takeProcessLock(path), undefined)
    const exited = once(child, 'exit')
    child.kill('SIGKILL')
    await exited
    const lock = await takeProcessLock(path)
    assert.ok(lock)
    lock[Symbol.dispose]()
  })
})
