/** Which processes count as running: those that ended and were never asked for do not. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { describe, it } from 'node:test'
import { waitUntil } from '../../test/support/wait-until.ts'
import { isAlive } from './find-node.ts'

describe('isAlive', () => {
  it('is true of a process that runs, and false once it has ended', async () => {
    const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'])
    assert.ok(child.pid)
    assert.equal(isAlive(child.pid), true)
    const exited = once(child, 'exit')
    child.kill('SIGKILL')
    await exited
    assert.equal(isAlive(child.pid), false)
  })

  it('is false of one whose parent never asks for its end', { timeout: 20_000 }, async (context) => {
    if (process.platform !== 'linux') return context.diagnostic('such processes are told apart on Linux')
    // The shell becomes a program that knows nothing of the child that the shell started.
    const parent = spawn('sh', ['-c', 'sleep 0.5 & echo $!; exec sleep 15'], { stdio: ['ignore', 'pipe', 'inherit'] })
    try {
      const [line] = (await once(parent.stdout, 'data')) as [Buffer]
      const pid = Number(line.toString())
      await waitUntil(() => !isAlive(pid), 'the child to have ended', 10_000)
      assert.doesNotThrow(() => process.kill(pid, 0), 'its id is still taken')
    } finally {
      parent.kill('SIGKILL')
    }
  })
})
