/** What one address may take, and that others do not pay for it. */
import assert from 'node:assert/strict'
import { get } from 'node:http'
import { networkInterfaces } from 'node:os'
import { describe, it } from 'node:test'
import { limit } from '../../src/core/limits.ts'
import { errorIn, openRawSocket, repliesIn, requestText } from '../support/raw-socket.ts'
import { startTestNode } from '../support/test-node.ts'
import { waitUntil } from '../support/wait-until.ts'

/** An address of this machine that is not loopback; what is sent to it never leaves the machine. */
const OUTER = Object.values(networkInterfaces())
  .flat()
  .find((entry) => entry !== undefined && entry.family === 'IPv4' && !entry.internal)?.address

describe('one address', { concurrency: 2 }, () => {
  it('that guesses keys locks nobody else out, not even with a key that was never used before', async () => {
    await using node = await startTestNode()
    const statusOf = (key: string, localAddress: string): Promise<number> =>
      new Promise((resolve, reject) => {
        const headers = { authorization: `Bearer ${key}` }
        get(`${node.url}/v1/models`, { headers, localAddress, agent: false }, (response) => {
          response.resume().on('end', () => resolve(response.statusCode ?? 0))
        }).on('error', reject)
      })
    const guesses: number[] = []
    for (let number = 0; number < 30; number += 1)
      guesses.push(await statusOf(`sk-heddle-guess-${number}`, '127.0.0.1'))
    assert.equal(guesses.filter((status) => status === 401).length, limit('wrongKeysPerMinute'))
    assert.equal(guesses.at(-1), 429)
    assert.equal(await statusOf(node.key, '127.0.0.2'), 200)
    assert.equal(await statusOf('sk-heddle-guess', '127.0.0.2'), 401)
  })

  it('holds 100 connections at most, and gets another for each that it gives back', async (t) => {
    if (OUTER === undefined) return t.diagnostic('this machine has no address but loopback')
    await using node = await startTestNode({ HEDDLE_HTTP_LISTEN: `${OUTER}:0` })
    const most = limit('socketsPerAddress')
    const sockets = await Promise.all(Array.from({ length: most }, () => openRawSocket(node.url)))
    const serves = async (socket: (typeof sockets)[number]): Promise<boolean> => {
      socket.write(requestText('GET', '/livez', { host: OUTER }))
      const text = await socket.until((received) => repliesIn(received).length > 0)
      return text.startsWith('HTTP/1.1 200')
    }
    for (const socket of sockets) assert.equal(await serves(socket), true)
    using tooMany = await openRawSocket(node.url)
    await tooMany.untilEnded()
    assert.equal(tooMany.received(), '')
    const [first] = sockets
    first?.[Symbol.dispose]()
    await waitUntil(async () => {
      using next = await openRawSocket(node.url)
      return await serves(next)
    }, 'a free place')
    for (const socket of sockets) socket[Symbol.dispose]()
  })

  it('makes 6,000 requests a minute at most, whatever keys it has', async (t) => {
    if (OUTER === undefined) return t.diagnostic('this machine has no address but loopback')
    await using node = await startTestNode({ HEDDLE_HTTP_LISTEN: `${OUTER}:0` })
    const most = limit('requestsPerMinutePerAddress')
    const text = requestText('GET', '/v1/models', { host: OUTER, authorization: `Bearer ${node.key}` })
    let served = 0
    while (served < most) {
      using socket = await openRawSocket(node.url)
      const batch = Math.min(900, most - served)
      socket.write(text.repeat(batch))
      const received = await socket.until((bytes) => bytes.split('HTTP/1.1 ').length - 1 >= batch, 20_000)
      assert.equal(received.split('HTTP/1.1 200').length - 1, batch)
      served += batch
    }
    const response = await node.get('/v1/models')
    assert.equal(response.status, 429)
    assert.equal(errorIn(await response.text()).code, 'rate_limit_exceeded')
    assert.ok(Number(response.headers.get('retry-after')) >= 1)
    assert.equal((await node.get('/livez')).status, 200)
  })
})
