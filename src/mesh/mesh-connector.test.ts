/** The connector over real sessions: what reaches the provider, how requests end, and what each says about its peer. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { echo, Fabric, type FabricNode, meshTarget, slowAnswer } from '../../test/support/mesh-fabric.ts'
import { answer, bytesOf, calm, RawPeer, readAll, requestOf, source, textOf } from '../../test/support/mesh-pair.ts'
import { bodyOf } from '../core/byte-channel.ts'
import { HeddleError } from '../core/errors.ts'
import { asRuntimeId } from '../core/ids.ts'
import { limit } from '../core/limits.ts'
import { MESH_PROTOCOL } from '../core/mesh/session-options.ts'
import type { MessageRequest } from '../core/message.ts'
import type { MeshDeps } from './deps.ts'

const codeOf = (code: string) => (error: unknown) => error instanceof HeddleError && error.code === code
const kinds = (node: FabricNode): readonly string[] => node.outcomes.map(([, { kind }]) => kind)

function pair(serve?: MeshDeps['serve'], conditions = {}) {
  const fabric = new Fabric({ conditions })
  return { fabric, a: fabric.node('a'), b: fabric.node('b', serve && { serve }) }
}

describe('the mesh connector', () => {
  it('says which runtime is meant and how far the request has come, whatever the client said', async () => {
    let got: MessageRequest | undefined
    const { fabric, a, b } = pair(async (from, request) => {
      got = request
      return echo(from, request)
    })
    const headers = { 'content-type': 'text/plain', 'heddle-runtime': 'another', 'heddle-hops': '0' }
    const target = { node: b.self, connector: 'mesh' as const, runtime: asRuntimeId('llama') }
    const request = requestOf('/v1/x?y=1', bytesOf('hi'), { headers, method: 'PUT', service: 'files' })
    const response = await fabric.during(a.connector.send(target, request, { signal: calm() }))
    assert.equal(textOf(await readAll(response.body)), 'a said hi')
    assert.deepEqual(got?.headers, { 'content-type': 'text/plain', 'heddle-runtime': 'llama', 'heddle-hops': '1' })
    assert.deepEqual([got?.id, got?.method, got?.service, got?.path], ['req_test', 'PUT', 'files', '/v1/x?y=1'])
  })

  it('stops the provider one way after the caller left, before and while it answers', async () => {
    const delayMs = 40
    for (const hasHead of [false, true]) {
      let stoppedAt = 0
      const { fabric, a, b } = pair(
        (_from, _request, { signal }) => {
          signal.addEventListener('abort', () => {
            stoppedAt = fabric.clock.monotonic()
          })
          return hasHead ? slowAnswer(fabric.clock, 100, 10)(_from, _request, { signal }) : new Promise(() => undefined)
        },
        { delayMs },
      )
      await fabric.during(a.sessions.session(b.self, { signal: calm() }))
      const leaving = new AbortController()
      const asked = a.ask(b.self, '', leaving.signal)
      await fabric.clock.advance(500)
      assert.equal(a.dispatched - a.ended, 1)
      const reason = new Error('gone')
      const leftAt = fabric.clock.monotonic()
      leaving.abort(reason)
      await assert.rejects(asked, reason)
      assert.equal(a.ended, 1)
      await fabric.until(() => stoppedAt > 0)
      assert.ok(stoppedAt - leftAt <= 2 * delayMs, `${stoppedAt - leftAt} ms`)
      await fabric.clock.advance(100)
      // The caller's leaving is nobody's fault.
      assert.deepEqual(kinds(a), hasHead ? ['answered'] : [])
      assert.equal(b.sessions.view()[0]?.serving, hasHead ? 0 : 1)
    }
  })

  it('counts a request until its answer has come whole, once', async () => {
    const { fabric, a, b } = pair()
    const response = await fabric.during(
      a.connector.send(meshTarget(b.self), requestOf('/', bytesOf('short')), { signal: calm() }),
    )
    await fabric.clock.advance(10)
    // It is whole by now, and the provider is free, though nobody has read it.
    assert.deepEqual([a.dispatched, a.ended], [1, 1])
    assert.equal(textOf(await readAll(response.body)), 'a said short')
    assert.deepEqual([a.dispatched, a.ended], [1, 1])
  })

  it('counts a request no longer whose answer its reader stopped reading', async () => {
    const serve: MeshDeps['serve'] = async () => answer(source(4 * 1024 * 1024, 4_096))
    const { fabric, a, b } = pair(serve)
    const response = await fabric.during(a.connector.send(meshTarget(b.self), requestOf('/'), { signal: calm() }))
    await fabric.clock.advance(100)
    assert.deepEqual([a.dispatched, a.ended], [1, 0])
    await response.body[Symbol.asyncIterator]().return?.()
    assert.deepEqual([a.dispatched, a.ended], [1, 1])
    await fabric.clock.advance(10)
    assert.equal(b.sessions.view()[0]?.serving, 0)
  })

  it('tells the fault of a service as an answer of OpenAI’s form, without the fix for another machine', async () => {
    const { fabric, a, b } = pair(async () => {
      throw new HeddleError('model_not_found', 'there is no model "x"', { param: 'model', fix: 'heddle models ls' })
    })
    const text = await fabric.during(a.ask(b.self, ''))
    const body = {
      message: 'there is no model "x"',
      type: 'invalid_request_error',
      param: 'model',
      code: 'model_not_found',
    }
    assert.equal(text, `404 ${JSON.stringify({ error: body })}`)
    assert.deepEqual(kinds(a), ['answered'])
  })

  it('tells a fault that nobody foresaw without its words', async () => {
    const { fabric, a, b } = pair(async () => {
      throw new Error('secret path /home/x')
    })
    const text = await fabric.during(a.ask(b.self, ''))
    assert.match(text, /^500 .*"code":"internal"/)
    assert.doesNotMatch(text, /secret/)
  })

  it('rejects with the code where another node may do better', async () => {
    for (const [thrown, code] of [
      ['runtime_unavailable', 'runtime_unavailable'],
      ['model_loading', 'model_loading'],
      ['no_capacity', 'upstream_failed'],
      ['queue_full', 'upstream_failed'],
      ['upstream_failed', 'upstream_failed'],
      ['timeout', 'timeout'],
    ] as const) {
      let asked = 0
      const { fabric, a, b } = pair(async () => {
        asked += 1
        throw new HeddleError(thrown, 'not now')
      })
      await assert.rejects(fabric.during(a.ask(b.self, '')), codeOf(code))
      assert.deepEqual([asked, kinds(a), a.dispatched, a.ended], [1, ['answered'], 1, 1])
    }
  })

  it('reports a peer that dies with a request open, at once', async () => {
    const { fabric, a, b } = pair(() => new Promise(() => undefined))
    const asked = a.ask(b.self, '')
    await fabric.clock.advance(100)
    fabric.network.crash(b.self)
    await assert.rejects(fabric.during(asked), codeOf('upstream_failed'))
    assert.deepEqual(kinds(a), ['unreachable'])
    assert.deepEqual([a.dispatched, a.ended], [1, 1])
  })

  it('reports a peer that dies while it answers', async () => {
    const fabric = new Fabric()
    const [a, b] = [fabric.node('a'), fabric.node('b', { serve: slowAnswer(fabric.clock, 100, 50) })]
    const asked = a.ask(b.self, '')
    await fabric.clock.advance(500)
    fabric.network.crash(b.self)
    await assert.rejects(fabric.during(asked), codeOf('upstream_interrupted'))
    assert.deepEqual(kinds(a), ['answered', 'unreachable'])
    assert.deepEqual([a.dispatched, a.ended], [1, 1])
  })
})

describe('a request that was surely not begun', () => {
  /** A peer whose first session says that it leaves as soon as a request comes, and whose later ones answer. */
  async function leavingPeer(refusals: number) {
    const fabric = new Fabric()
    const a = fabric.node('a')
    const streams = fabric.peers.open('b' as typeof a.self)
    const raws: RawPeer[] = []
    streams.accept(MESH_PROTOCOL, (stream) => {
      const raw = new RawPeer(stream)
      raws.push(raw)
      raw.hello()
      const isLeaving = raws.length <= refusals
      const look = (): void => {
        const frame = raw.frames.shift()
        if (frame?.kind === 'ping') raw.send({ kind: 'pong', token: frame.token })
        if (frame?.kind === 'open' && isLeaving) raw.send({ kind: 'goAway', code: 0, lastStream: 0 })
        if (frame?.kind === 'open' && !isLeaving)
          raw.send({ kind: 'head', stream: frame.stream, status: 200, headers: {}, isLast: true })
        if (raw.ends.length === 0) fabric.clock.after(1, look)
      }
      look()
    })
    return { fabric, a, b: streams.self, raws }
  }

  it('goes over a new session, and not over too many', async () => {
    const { fabric, a, b, raws } = await leavingPeer(1)
    assert.equal(await fabric.during(a.ask(b, 'text')), '200 ')
    assert.deepEqual([raws.length, a.dispatched, a.ended], [2, 1, 1])
    const again = await leavingPeer(9)
    await assert.rejects(again.fabric.during(again.a.ask(again.b, 'text')), codeOf('upstream_failed'))
    assert.deepEqual([again.raws.length, again.a.dispatched, again.a.ended], [limit('meshSendTries'), 1, 1])
  })

  it('is not sent again when its body has been read from', async () => {
    const { fabric, a, b, raws } = await leavingPeer(1)
    const request = requestOf('/', bodyOf(bytesOf('once only')))
    await assert.rejects(
      fabric.during(a.connector.send(meshTarget(b), request, { signal: calm() })),
      codeOf('upstream_failed'),
    )
    assert.equal(raws.length, 1)
  })

  it('is not sent again to a peer that is merely full', async () => {
    const bounds = { sessions: 4, openRequests: 1, windowBytes: 65_536 }
    const fabric = new Fabric()
    let begun = 0
    const serve: MeshDeps['serve'] = () => {
      begun += 1
      return new Promise(() => undefined)
    }
    const [a, b] = [fabric.node('a'), fabric.node('b', { serve, options: { bounds } })]
    const leaving = new AbortController()
    const first = a.ask(b.self, '', leaving.signal)
    await fabric.clock.advance(100)
    await assert.rejects(fabric.during(a.ask(b.self, '')), codeOf('upstream_failed'))
    assert.deepEqual([begun, a.sessions.view().length, kinds(a)], [1, 1, ['answered']])
    leaving.abort(new Error('enough'))
    await assert.rejects(first)
  })

  it('survives a session that the peer ends at the same time', async () => {
    for (let lateMs = 0; lateMs <= 9; lateMs += 1) {
      const { fabric, a, b } = pair(undefined, { delayMs: 3 })
      await fabric.during(a.ask(b.self, ''))
      await fabric.clock.advance(100)
      void b.sessions.current(a.self)?.retire()
      await fabric.clock.advance(lateMs)
      assert.equal(await fabric.during(a.ask(b.self, 'still')), '200 a said still', `${lateMs} ms later`)
    }
  })
})
