/** Which way a request goes to peers that speak only plain HTTP. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { bodyOf } from '../core/byte-channel.ts'
import { HeddleError } from '../core/errors.ts'
import { asNodeId, asRequestId, asRuntimeId } from '../core/ids.ts'
import type { MessageRequest, MessageResponse } from '../core/message.ts'
import type { Connector } from '../ports/connector.ts'
import { FallbackConnector } from './fallback-connector.ts'

const TARGET = { node: asNodeId('peer'), connector: 'mesh' as const, runtime: asRuntimeId('vllm') }
const UNREACHABLE = new HeddleError('peer_unreachable', 'it speaks nothing of that')

function request(body?: MessageRequest['body']): MessageRequest {
  return { id: asRequestId('req_1'), service: 'llm', method: 'POST', path: '/v1/x', headers: {}, body }
}

class Way implements Connector {
  readonly kind = 'mesh'
  asked = 0
  failure: HeddleError | undefined
  readsBody = false

  async send(_target: unknown, { body }: MessageRequest): Promise<MessageResponse> {
    this.asked += 1
    if (this.readsBody && body !== undefined && !(body instanceof Uint8Array)) await body[Symbol.asyncIterator]().next()
    if (this.failure !== undefined) throw this.failure
    return { status: 200, headers: {}, body: bodyOf() }
  }
}

function world({ speaksOnlyPlain = true } = {}) {
  const [mesh, plain] = [new Way(), new Way()]
  const outcomes: string[] = []
  const counts = { running: 0 }
  const connector = new FallbackConnector({
    mesh,
    plain,
    speaksOnlyPlain: async () => speaksOnlyPlain,
    observed: (_peer, { kind }) => outcomes.push(kind),
    dispatched: () => {
      counts.running += 1
      return () => {
        counts.running -= 1
      }
    },
  })
  const send = (body?: MessageRequest['body'], signal = new AbortController().signal) =>
    connector.send(TARGET, request(body), { signal })
  return { mesh, plain, outcomes, counts, send }
}

describe('FallbackConnector', () => {
  it('uses the mesh where the peer speaks it', async () => {
    const { mesh, plain, outcomes, send } = world()
    await send()
    assert.deepEqual([mesh.asked, plain.asked, outcomes], [1, 0, []])
  })

  it('asks a peer that speaks only plain HTTP so, and remembers it', async () => {
    const { mesh, plain, outcomes, counts, send } = world()
    mesh.failure = UNREACHABLE
    await send(Buffer.from('whole'))
    const { body } = await send(bodyOf(Buffer.from('stream')))
    assert.equal(counts.running, 2)
    for await (const _ of body) assert.fail('it has no bytes')
    assert.equal(counts.running, 1)
    assert.deepEqual([mesh.asked, plain.asked], [1, 2])
    assert.deepEqual(outcomes, ['answered', 'answered'])
  })

  it('tries the mesh again once plain HTTP no longer reaches the peer', async () => {
    const { mesh, plain, outcomes, send } = world()
    mesh.failure = UNREACHABLE
    await send()
    plain.failure = UNREACHABLE
    await assert.rejects(send(), { code: 'peer_unreachable' })
    mesh.failure = undefined
    await send()
    assert.deepEqual([mesh.asked, plain.asked], [2, 2])
    assert.deepEqual(outcomes, ['answered', 'unreachable'])
  })

  it('leaves it at that where the peer is away, where it failed otherwise, and where the body is half read', async () => {
    const away = world({ speaksOnlyPlain: false })
    away.mesh.failure = UNREACHABLE
    await assert.rejects(away.send(), { code: 'peer_unreachable' })

    const broken = world()
    broken.mesh.failure = new HeddleError('upstream_failed', 'it broke')
    await assert.rejects(broken.send(), { code: 'upstream_failed' })

    const half = world()
    half.mesh.failure = UNREACHABLE
    half.mesh.readsBody = true
    await assert.rejects(half.send(bodyOf(Buffer.from('x'))), { code: 'peer_unreachable' })
    assert.deepEqual([away.plain.asked, broken.plain.asked, half.plain.asked], [0, 0, 0])
  })

  it('asks nobody else once its caller has left', async () => {
    const { mesh, plain, send } = world()
    mesh.failure = UNREACHABLE
    const caller = new AbortController()
    caller.abort(new Error('left'))
    await assert.rejects(send(undefined, caller.signal), /left/)
    assert.equal(plain.asked, 0)
  })
})
