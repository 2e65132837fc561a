/** Machines that are gone without a word: the next provider answers within seconds, a stream is told to be broken, and nobody asks them again. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import type { PsEntry } from '../../src/core/wire/admin.ts'
import { type MeshNode, startMeshNode, untilModels } from '../support/mesh-node.ts'
import { type Machine, NetworkLab, namespacesMissing } from '../support/namespaces.ts'
import { placeIn } from '../support/place-in.ts'
import { waitUntil } from '../support/wait-until.ts'

const PORT = 11_441
/** What the next provider takes by itself. */
const ANSWER_MS = 1_500
/** Silence is found out in 4 s, in the middle of an answer a look or two later; a busy machine takes a moment besides. */
const NOTICED_WITHIN_MS = 7_000
const SHARED = `script:shared?tokens=4&delay=${ANSWER_MS}`
const ALL = ['ada', 'dan', 'long', 'shared']
const missing = namespacesMissing()

interface Chat {
  readonly status: number
  readonly node: string | null
  readonly text: string
}

async function ps(node: MeshNode): Promise<readonly PsEntry[]> {
  const response = await node.process.get('/api/v1/ps', node.process.adminKey)
  return ((await response.json()) as { readonly models: readonly PsEntry[] }).models
}

async function ask(
  node: MeshNode,
  model: string,
  stream = false,
  signal: AbortSignal = AbortSignal.timeout(60_000),
): Promise<Chat> {
  const body = { model, messages: [{ role: 'user', content: 'Hello' }], stream }
  const response = await node.process.post('/v1/chat/completions', body, { signal })
  return { status: response.status, node: response.headers.get('x-heddle-node'), text: await response.text() }
}

describe('a machine whose cable is pulled', { timeout: 180_000 }, () => {
  if (missing !== undefined) {
    it('needs a machine that can make network namespaces', () => {
      assert.match(missing, /root, iproute2 and nftables are needed/)
    })
    return
  }
  const lab = new NetworkLab()
  const machines = new Map<string, Machine>()
  let ada: MeshNode
  let bob: MeshNode
  let cyd: MeshNode
  let dan: MeshNode
  const start = async (name: string, number: number, runtimes?: string): Promise<MeshNode> => {
    const machine = lab.machine(name, 'lan', { number })
    machines.set(name, machine)
    return await startMeshNode({
      name,
      bootstrap: ada === undefined ? [] : [ada.address],
      env: { HEDDLE_MESH_LISTEN: `${machine.address}:${PORT}` },
      place: placeIn(lab, machine),
      ...(runtimes === undefined ? {} : { runtimes }),
    })
  }
  /** The nodes that work on something, as they say themselves. */
  const busy = async (): Promise<readonly string[]> =>
    (await Promise.all([ps(bob), ps(cyd)]))
      .flat()
      .filter(({ inFlight }) => inFlight > 0)
      .map(({ nodeName }) => nodeName)
  const idle = async (): Promise<void> =>
    void (await waitUntil(async () => (await busy()).length === 0, 'nothing to run', 15_000))
  const untilSeen = async (name: string, states: readonly string[], timeoutMs: number, by = ada): Promise<number> =>
    await waitUntil(
      async () => states.includes((await by.status()).nodes.find((each) => each.name === name)?.state ?? ''),
      `${name} to be ${states.join(' or ')}`,
      timeoutMs,
    )
  /** Pulls the cable of the only node that works. */
  const cut = async (): Promise<Machine> => {
    let names: readonly string[] = []
    await waitUntil(
      async () => {
        names = await busy()
        return names.length > 0
      },
      'a request to be on its way',
      5_000,
    )
    const [name = '', ...others] = names
    assert.deepEqual(others, [])
    const machine = machines.get(name)
    assert.ok(machine)
    lab.split([machine])
    return machine
  }
  before(async () => {
    lab.switch('lan', '11.0.0')
    ada = await start('ada', 2)
    bob = await start('bob', 3, `${SHARED},script:long?tokens=2000&rate=20`)
    cyd = await start('cyd', 4, SHARED)
    dan = await start('dan', 5)
    for (const node of [ada, bob, cyd, dan]) await untilModels(node, ALL)
  })
  after(async () => {
    for (const node of [ada, bob, cyd, dan]) await node?.[Symbol.asyncDispose]()
    lab[Symbol.dispose]()
  })

  it('is given up for the next provider while its answer is waited for', async () => {
    // Sessions with both, so that what is found out is silence and not a dial that fails.
    await Promise.all([ask(ada, 'shared'), ask(ada, 'shared')])
    await idle()
    const asking = ask(ada, 'shared')
    const machine = await cut()
    const cutAt = performance.now()
    const answer = await asking
    const tookMs = performance.now() - cutAt
    assert.equal(answer.status, 200, answer.text)
    assert.notEqual(answer.node, machine.name)
    assert.ok(tookMs <= NOTICED_WITHIN_MS + ANSWER_MS, `answered after ${Math.round(tookMs)} ms`)
    // It gets no requests from then on.
    const next = performance.now()
    assert.equal((await ask(ada, 'shared')).status, 200)
    assert.ok(performance.now() - next < ANSWER_MS + 1_500)
    lab.heal([machine], 'lan')
    await untilSeen(machine.name, ['online'], 60_000)
  })

  it('is told of to a client that reads its answer', async () => {
    await idle()
    const asking = ask(ada, 'long', true)
    const machine = await cut()
    const cutAt = performance.now()
    const { text } = await asking
    const tookMs = performance.now() - cutAt
    assert.match(text, /"code":"upstream_interrupted"/)
    assert.doesNotMatch(text, /\[DONE\]/)
    assert.ok(tookMs <= NOTICED_WITHIN_MS, `told after ${Math.round(tookMs)} ms`)
    lab.heal([machine], 'lan')
    await untilSeen(machine.name, ['online'], 60_000)
  })

  it('is given up as soon where a request would have been the first', async () => {
    const machine = machines.get('bob') as Machine
    await waitUntil(
      async () => (await (await dan.process.get('/api/v1/peers', dan.process.adminKey)).text()).includes('"bob"'),
      'dan to be connected to bob',
      30_000,
    )
    lab.split([machine])
    const askedAt = performance.now()
    const { status } = await ask(dan, 'long')
    const tookMs = performance.now() - askedAt
    assert.ok(status === 502 || status === 503, `${status}`)
    assert.ok(tookMs <= NOTICED_WITHIN_MS, `told after ${Math.round(tookMs)} ms`)
    lab.heal([machine], 'lan')
    await untilSeen('bob', ['online'], 60_000, dan)
  })

  it('is known before the next request where its process died', async () => {
    await untilModels(ada, ALL, 60_000)
    // A session, on which nothing runs any more.
    assert.equal(await ask(ada, 'long', false, AbortSignal.timeout(500)).catch(() => undefined), undefined)
    await bob.kill()
    await untilSeen('bob', ['degraded', 'offline'], 3_000)
    const askedAt = performance.now()
    assert.ok((await ask(ada, 'long')).status >= 400)
    assert.ok(performance.now() - askedAt < 1_000)
  })
})
