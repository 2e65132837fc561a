/** Three nodes that met over one bootstrap address: each serves the models of all, whoever goes away. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import OpenAI from 'openai'
import { type MeshNode, startMeshNode, untilModels } from '../support/mesh-node.ts'
import { waitUntil } from '../support/wait-until.ts'

const ALL = ['ada', 'bob', 'cyd', 'shared', 'slow']
/** Two leases of a small network, and a sweep. */
const TWO_LEASES_MS = 65_000

function clientOf({ process }: MeshNode): OpenAI {
  return new OpenAI({ apiKey: process.key, baseURL: `${process.url}/v1`, maxRetries: 0 })
}

const asking = (model: string) => ({ model, messages: [{ role: 'user' as const, content: 'Hello' }] })

describe('three nodes', { timeout: 240_000 }, () => {
  let ada: MeshNode
  let bob: MeshNode
  let cyd: MeshNode
  before(async () => {
    ada = await startMeshNode({ name: 'ada' })
    const bootstrap = [ada.address]
    const slow = 'script:bob?tokens=8,script:slow?tokens=2000&rate=50,script:shared?tokens=3'
    bob = await startMeshNode({ name: 'bob', bootstrap, runtimes: slow })
    cyd = await startMeshNode({ name: 'cyd', bootstrap, runtimes: 'script:cyd?tokens=8,script:shared?tokens=3' })
    for (const node of [ada, bob, cyd]) await untilModels(node, ALL)
  })
  after(async () => {
    for (const node of [ada, bob, cyd]) await node?.[Symbol.asyncDispose]()
  })

  it('serve each other’s models through the openai client, whole and streamed', async () => {
    for (const node of [ada, bob, cyd]) {
      const client = clientOf(node)
      for (const model of ['ada', 'bob', 'cyd']) {
        const { data, response } = await client.chat.completions.create(asking(model)).withResponse()
        assert.equal(data.usage?.completion_tokens, 8)
        assert.equal(response.headers.get('x-heddle-node'), model)
        const stream = await client.chat.completions.create({ ...asking(model), stream: true })
        let text = ''
        let finish: string | null | undefined
        for await (const chunk of stream) {
          text += chunk.choices[0]?.delta.content ?? ''
          finish = chunk.choices[0]?.finish_reason ?? finish
        }
        assert.equal(text, data.choices[0]?.message.content)
        assert.equal(finish, 'stop')
      }
    }
  })

  it('stop the work at the other node when the client leaves', async () => {
    const stream = await clientOf(ada).chat.completions.create({ ...asking('slow'), stream: true })
    for await (const _ of stream) break
    stream.controller.abort()
    const running = async (): Promise<number | undefined> =>
      (await bob.status()).nodes.find(({ name }) => name === 'bob')?.inFlight
    await waitUntil(async () => (await running()) === 0, 'bob to stop', 5_000)
  })

  it('tell of each other, and of themselves, in their status', async () => {
    const { nodes, network, health } = await cyd.status()
    assert.deepEqual(nodes.map(({ name, connector }) => `${name} ${connector}`).sort(), [
      'ada mesh',
      'bob mesh',
      'cyd local',
    ])
    assert.equal(network.name, 'open')
    assert.deepEqual(
      health.filter(({ severity }) => severity === 'error'),
      [],
    )
  })

  it('go on without their bootstrap, and drop it from routing at the first request that fails', async () => {
    await ada.kill()
    const { status } = await bob.process.post('/v1/chat/completions', asking('ada'))
    assert.ok(status === 502 || status === 503 || status === 404, `${status}`)
    await untilModels(
      bob,
      ALL.filter((model) => model !== 'ada'),
    )
    for (const [node, model] of [
      [bob, 'cyd'],
      [cyd, 'bob'],
    ] as const) {
      const { choices } = await clientOf(node).chat.completions.create(asking(model))
      assert.equal(choices[0]?.finish_reason, 'stop')
    }
  })

  it('find each other again without a bootstrap', async () => {
    await cyd.restart({ HEDDLE_BOOTSTRAP: '' })
    await waitUntil(async () => (await cyd.models()).includes('bob'), 'cyd to know bob again', 15_000)
    const { choices } = await clientOf(cyd).chat.completions.create(asking('bob'))
    assert.equal(choices[0]?.finish_reason, 'stop')
  })

  it('take a silent node out of their tables within two leases', async () => {
    await waitUntil(
      async () => (await bob.status()).nodes.every(({ name }) => name !== 'ada'),
      'ada to be gone',
      TWO_LEASES_MS,
    )
  })

  it('hear at once of one that leaves on purpose', async () => {
    await cyd.process.stop()
    const tookMs = await untilModels(bob, ['bob', 'shared', 'slow'], 3_000)
    assert.ok(
      (await bob.status()).nodes.every(({ name }) => name !== 'cyd'),
      `cyd is still listed after ${tookMs} ms`,
    )
  })
})
