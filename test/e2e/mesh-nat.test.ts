/** Nodes behind routers that let nobody in: reached over a relay with answers of any size, and directly where one side can be dialled. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import type { PeerList } from '../../src/core/wire/admin-mesh.ts'
import { type MeshNode, startMeshNode, untilModels } from '../support/mesh-node.ts'
import { type Machine, NetworkLab, namespacesMissing } from '../support/namespaces.ts'
import { placeIn } from '../support/place-in.ts'
import { waitUntil } from '../support/wait-until.ts'

const PORT = 11_441
const JOINED_WITHIN_MS = 30_000
/** An event of the scripted model takes about 230 bytes. */
const TOKENS_OF_10_MIB = 48_000
const MIB = 1024 * 1024
const missing = namespacesMissing()

async function pathTo(node: MeshNode, peer: string): Promise<string | undefined> {
  const response = await node.process.get('/api/v1/peers', node.process.adminKey)
  const { peers } = (await response.json()) as PeerList
  return peers.find(({ name }) => name === peer)?.paths[0]?.kind
}

/** The bytes of a streamed answer, and whether it came to its end. */
async function streamed(node: MeshNode, model: string): Promise<{ readonly bytes: number; readonly isWhole: boolean }> {
  const body = { model, messages: [{ role: 'user', content: 'Hello' }], stream: true }
  const response = await node.process.post('/v1/chat/completions', body)
  assert.equal(response.status, 200, await (response.ok ? '' : response.text()))
  assert.ok(response.body)
  let bytes = 0
  let tail = ''
  const decoder = new TextDecoder()
  for await (const chunk of response.body) {
    bytes += chunk.length
    tail = (tail + decoder.decode(chunk, { stream: true })).slice(-200)
  }
  return { bytes, isWhole: tail.endsWith('data: [DONE]\n\n') && tail.includes('"finish_reason":"') }
}

describe('nodes behind NAT', { timeout: 240_000 }, () => {
  if (missing !== undefined) {
    it('needs a machine that can make network namespaces', () => {
      assert.match(missing, /root, iproute2 and nftables are needed/)
    })
    return
  }
  const lab = new NetworkLab()
  const nodes: MeshNode[] = []
  const start = async (machine: Machine, env: NodeJS.ProcessEnv, runtimes?: string): Promise<MeshNode> => {
    const [relay] = nodes
    const node = await startMeshNode({
      name: machine.name,
      bootstrap: relay === undefined ? [] : [relay.address],
      env: { HEDDLE_MESH_LISTEN: `0.0.0.0:${PORT}`, ...env },
      place: placeIn(lab, machine),
      ...(runtimes === undefined ? {} : { runtimes }),
    })
    nodes.push(node)
    return node
  }
  let left: MeshNode
  let right: MeshNode
  let open: MeshNode
  before(async () => {
    lab.switch('net', '11.0.0')
    lab.switch('home', '192.168.1')
    lab.switch('office', '192.168.2')
    lab.nat('nh', { inside: 'home', outside: 'net', number: 101 })
    lab.nat('no', { inside: 'office', outside: 'net', number: 102 })
    const machines = {
      relay: lab.machine('relay', 'net', { number: 2 }),
      open: lab.machine('open', 'net', { number: 3 }),
      left: lab.machine('left', 'home', { number: 2 }),
      right: lab.machine('right', 'office', { number: 2 }),
    }
    lab.routeThroughNat(machines.left)
    lab.routeThroughNat(machines.right)
    await start(machines.relay, { HEDDLE_MESH_PUBLIC_ADDR: `/ip4/${machines.relay.address}/tcp/${PORT}` })
    left = await start(machines.left, {}, `script:left?tokens=8,script:long?tokens=${TOKENS_OF_10_MIB}&context=100000`)
    right = await start(machines.right, {})
    for (const node of [left, right]) await untilModels(node, ['relay', 'left', 'long', 'right'], JOINED_WITHIN_MS)
    open = await start(machines.open, { HEDDLE_MESH_PUBLIC_ADDR: `/ip4/${machines.open.address}/tcp/${PORT}` })
    await untilModels(open, ['relay', 'left', 'long', 'right', 'open'], JOINED_WITHIN_MS)
  })
  after(async () => {
    for (const node of nodes.toReversed()) await node[Symbol.asyncDispose]()
    lab[Symbol.dispose]()
  })

  it('have a place at the relay soon after they joined', async () => {
    for (const node of [left, right])
      await waitUntil(
        async () => (await node.status()).mesh.addresses.some((address) => address.includes('/p2p-circuit/')),
        `${node.name} to have a circuit address`,
        JOINED_WITHIN_MS,
      )
  })

  it('serve each other over a circuit, and an answer of 10 MiB crosses it whole', async (t) => {
    assert.ok((await streamed(right, 'left')).isWhole)
    assert.equal(await pathTo(right, 'left'), 'circuit')
    const startedAt = performance.now()
    const { bytes, isWhole } = await streamed(right, 'long')
    assert.ok(isWhole)
    assert.ok(bytes >= 10 * MIB, `${bytes} bytes`)
    t.diagnostic(`${(bytes / MIB).toFixed(1)} MiB over the relay in ${Math.round(performance.now() - startedAt)} ms`)
  })

  it('are reached directly by a node with a public address, once a hole is punched', async (t) => {
    assert.ok((await streamed(open, 'left')).isWhole)
    const tookMs = await waitUntil(async () => (await pathTo(open, 'left')) === 'direct', 'a direct path', 20_000)
    t.diagnostic(`direct ${Math.round(tookMs)} ms after the first answer`)
    assert.ok((await streamed(open, 'left')).isWhole)
  })
})
