/** What the pool sends: whole requests only, and bodies in pieces no faster than they are taken. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { hasCode, openPool, plainRequest } from '../../../../test/support/raw-pool.ts'
import { waitUntil } from '../../../../test/support/wait-until.ts'
import { HeddleError } from '../../../core/errors.ts'
import type { MessageRequest } from '../../../core/message.ts'

describe('a request of the HTTP/1.1 pool', () => {
  it('refuses a request that would not stay one', async (t) => {
    const { pool, ends, ask } = await openPool(t, () => undefined)
    const wrong: MessageRequest[] = [
      plainRequest('/a b'),
      plainRequest('/a\r\nx: y'),
      { ...plainRequest('/'), method: 'GET /x' },
      { ...plainRequest('/'), headers: { accept: 'a\r\nx: y' } },
      { ...plainRequest('/'), headers: { accept: 'a\u0100' } },
    ]
    for (const message of wrong) await assert.rejects(ask(message), hasCode('internal'))
    assert.deepEqual(ends, Array(wrong.length).fill('internal'))
    assert.equal(pool.counts.sockets, 0)
  })

  it('sends a body in pieces no faster than it is taken, and lets its source go', async (t) => {
    let given = 0
    let isLetGo = false
    async function* endless() {
      try {
        for (;;) {
          given += 1
          yield Buffer.alloc(64 * 1024)
        }
      } finally {
        isLetGo = true
      }
    }
    const { server, ask } = await openPool(t, () => undefined)
    const aborter = new AbortController()
    const answer = ask(plainRequest('/', endless()), aborter.signal)
    answer.catch(() => undefined)
    await waitUntil(() => server.sockets.size === 1, 'the connection')
    for (const socket of server.sockets) socket.pause()
    let before = -1
    while (before !== given) {
      before = given
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
    aborter.abort('enough')
    await assert.rejects(answer, (error) => error === 'enough')
    await waitUntil(() => isLetGo, 'the end of the source')
    assert.equal(given, before)
  })

  it('passes on what breaks a body that comes in pieces', async (t) => {
    const { pool, ask } = await openPool(t, () => undefined)
    const broken = new HeddleError('request_timeout', 'the client sent too slowly')
    async function* breaking() {
      yield Buffer.from('x')
      throw broken
    }
    await assert.rejects(ask(plainRequest('/', breaking())), (error) => error === broken)
    assert.equal(pool.counts.sockets, 0)
  })
})
