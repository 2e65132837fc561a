/** Bootstraps from the command line and from HTTP endpoints, good and bad. */
import assert from 'node:assert/strict'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, before, describe, it } from 'node:test'
import { deviceNamed } from '../../../test/support/identity.ts'
import { HeddleError } from '../../core/errors.ts'
import { limit } from '../../core/limits.ts'
import { resolveBootstrap } from './bootstrap-list.ts'

const SELF = deviceNamed('self')
const OTHER = deviceNamed('other')
const signal = new AbortController().signal
const resolve = (...list: string[]) => resolveBootstrap(list, { self: SELF, own: [], signal })

describe('bootstraps given as multiaddrs', () => {
  it('come back as they are, once each', async () => {
    const list = [
      `/ip4/192.0.2.7/tcp/11441/p2p/${OTHER}`,
      '/dns4/gw.example/tcp/11442/ws',
      '/ip4/192.0.2.7/udp/11441/quic-v1',
    ]
    assert.deepEqual(await resolve(...list, ...list), list)
  })

  it('leave this node itself out', async () => {
    assert.deepEqual(await resolve(`/ip4/192.0.2.7/tcp/11441/p2p/${SELF}`, '/ip4/192.0.2.8/tcp/1'), [
      '/ip4/192.0.2.8/tcp/1',
    ])
  })

  it('leave its own addresses out where the id is not given', async () => {
    const list = ['/ip4/127.0.0.1/tcp/11441', '/ip4/127.0.0.1/tcp/1144']
    const own = [`/ip4/127.0.0.1/tcp/11441/p2p/${SELF}`]
    assert.deepEqual(await resolveBootstrap(list, { self: SELF, own, signal }), list.slice(1))
  })

  it('are none where none were given', async () => {
    assert.deepEqual(await resolve(), [])
  })

  for (const wrong of [
    '/ip4/300.1.1.1/tcp/1',
    '/ip4/192.0.2.7/tcp/99999',
    'gw.example',
    '/unix/x',
    '/p2p-circuit',
    '',
  ]) {
    it(`refuses ${JSON.stringify(wrong)} by name`, async () => {
      await assert.rejects(resolve('/ip4/192.0.2.7/tcp/1', wrong), (error: unknown) => {
        assert.ok(error instanceof HeddleError && error.code === 'config_invalid')
        assert.ok(error.message.includes(JSON.stringify(wrong)), error.message)
        return true
      })
    })
  }

  it('refuses an HTTP address among multiaddrs, without showing its secrets', async () => {
    await assert.rejects(
      resolve('/ip4/192.0.2.7/tcp/1', 'https://user:hunter2@gw.example/list?token=hunter3'),
      (error: unknown) => {
        assert.ok(error instanceof HeddleError && error.code === 'config_invalid')
        assert.match(error.message, /https:\/\/gw\.example\/list stands among/)
        assert.doesNotMatch(error.message, /hunter/)
        return true
      },
    )
  })
})

describe('bootstraps listed by an HTTP endpoint', () => {
  const answers = new Map<string, { readonly status?: number; readonly body: string }>()
  let server: Server
  let base: string

  before(async () => {
    server = createServer((request, response) => {
      const answer = answers.get(request.url ?? '')
      if (answer === undefined) return // never answers
      response.writeHead(answer.status ?? 200).end(answer.body)
    })
    await new Promise<void>((listening) => {
      server.listen(0, '127.0.0.1', listening)
    })
    base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  })
  after(() => {
    server.closeAllConnections()
    server.close()
  })

  const ADDRESS = '/ip4/192.0.2.7/tcp/43905'
  for (const [what, body] of [
    ['a JSON array', JSON.stringify([ADDRESS])],
    ['the shape of OCF', JSON.stringify({ bootstraps: [ADDRESS] })],
    [
      'a list with entries that nobody can read',
      JSON.stringify([7, null, 'nonsense', '/unknown-protocol/1', ADDRESS, ADDRESS]),
    ],
    ['a list with this node itself', JSON.stringify({ bootstraps: [`/ip4/192.0.2.9/tcp/1/p2p/${SELF}`, ADDRESS] })],
  ] as const) {
    it(`reads ${what}`, async () => {
      answers.set('/list', { body })
      assert.deepEqual(await resolve(`${base}/list`), [ADDRESS])
    })
  }

  it('takes an empty list as none yet', async () => {
    answers.set('/list', { body: '{"bootstraps":[]}' })
    assert.deepEqual(await resolve(`${base}/list`), [])
  })

  it('takes no more than its bound', async () => {
    const many = Array.from({ length: limit('bootstrapAddresses') + 1 }, (_, at) => `/ip4/192.0.2.7/tcp/${at + 1}`)
    answers.set('/list', { body: JSON.stringify(many) })
    assert.equal((await resolve(`${base}/list`)).length, limit('bootstrapAddresses'))
  })

  for (const [what, answer, expected] of [
    ['another status', { status: 404, body: '[]' }, /answers with status 404/],
    ['no JSON', { body: '<html>' }, /does not answer with a JSON list/],
    ['another shape', { body: '{"nodes":[]}' }, /does not answer with a JSON list/],
    ['nothing that is understood', { body: '["x"]' }, /lists no multiaddr/],
    ['far too much', { body: ' '.repeat(limit('bootstrapAnswerBytes') + 1) }, /more than a list/],
  ] as const) {
    it(`says so on ${what}`, async () => {
      answers.set('/list', answer)
      await assert.rejects(resolve(`${base}/list`), (error: unknown) => {
        assert.ok(error instanceof HeddleError && error.code === 'peer_unreachable')
        assert.match(error.message, expected)
        assert.ok(error.message.includes(`${base}/list`), error.message)
        return true
      })
    })
  }

  it('says so where nobody listens', async () => {
    await assert.rejects(resolve('http://127.0.0.1:1/list?token=hunter2'), (error: unknown) => {
      assert.ok(error instanceof HeddleError && error.code === 'peer_unreachable')
      assert.equal(error.message, 'the list of bootstraps at http://127.0.0.1:1/list cannot be reached')
      return true
    })
  })

  it('stops with the caller’s own reason', async () => {
    const leaving = new AbortController()
    const reason = new Error('the node stops')
    const asked = resolveBootstrap([`${base}/silent`], { self: SELF, own: [], signal: leaving.signal })
    leaving.abort(reason)
    await assert.rejects(asked, reason)
  })
})
