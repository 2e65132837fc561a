/** Nodes on machines of their own: one bootstrap address, a partition that heals, and a node behind a router that lets nobody in. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import OpenAI from 'openai'
import { type MeshNode, startMeshNode, untilModels } from '../support/mesh-node.ts'
import { type Machine, NetworkLab, namespacesMissing } from '../support/namespaces.ts'
import { placeIn } from '../support/place-in.ts'
import { waitUntil } from '../support/wait-until.ts'

const PORT = 11_441
const HEALED_WITHIN_MS = 30_000
const asking = (model: string) => ({ model, messages: [{ role: 'user' as const, content: 'Hello' }] })

function clientOf({ process }: MeshNode): OpenAI {
  return new OpenAI({ apiKey: process.key, baseURL: `${process.url}/v1`, maxRetries: 0, fetch: process.fetch })
}

async function start(lab: NetworkLab, machine: Machine, bootstrap: readonly string[], env = {}): Promise<MeshNode> {
  const { name, address } = machine
  return await startMeshNode({
    name,
    bootstrap,
    env: { HEDDLE_MESH_LISTEN: `${address}:${PORT}`, ...env },
    place: placeIn(lab, machine),
  })
}

/** Streams an answer to its end. */
async function streamed(
  node: MeshNode,
  model: string,
): Promise<{ readonly chunks: number; readonly finish: string | null | undefined }> {
  const stream = await clientOf(node).chat.completions.create({ ...asking(model), stream: true })
  let chunks = 0
  let finish: string | null | undefined
  for await (const chunk of stream) {
    if (chunk.choices[0]?.delta.content) chunks += 1
    finish = chunk.choices[0]?.finish_reason ?? finish
  }
  return { chunks, finish }
}

const missing = namespacesMissing()

describe('network namespaces', () => {
  it('can be made here, or the reason is told', (context) => {
    if (missing !== undefined) context.diagnostic(missing)
    assert.ok(missing === undefined || /root, iproute2 and nftables/.test(missing))
  })
})

if (missing === undefined) {
  describe('four nodes on four machines', { timeout: 200_000 }, () => {
    const lab = new NetworkLab()
    const nodes: MeshNode[] = []
    const machines: Machine[] = []
    const names = ['ada', 'bob', 'cyd', 'dan']
    before(async () => {
      lab.switch('lan', '11.0.0')
      for (const [index, name] of names.entries()) machines.push(lab.machine(name, 'lan', { number: index + 2 }))
      for (const machine of machines)
        nodes.push(await start(lab, machine, nodes[0] === undefined ? [] : [nodes[0].address]))
      for (const node of nodes) await untilModels(node, names)
    })
    after(async () => {
      for (const node of nodes) await node[Symbol.asyncDispose]()
      lab[Symbol.dispose]()
    })

    it('serve each other’s models through the openai client, streamed', async () => {
      for (const node of nodes) {
        for (const model of names)
          assert.equal((await streamed(node, model)).finish, 'stop', `${model} from ${node.name}`)
      }
    })

    it('go on serving on both sides of a partition, and are one network again after it', async () => {
      const [ada, bob, cyd, dan] = nodes as [MeshNode, MeshNode, MeshNode, MeshNode]
      const apart = machines.slice(2)
      lab.split(apart)
      for (const [node, model] of [
        [ada, 'bob'],
        [bob, 'ada'],
        [cyd, 'dan'],
        [dan, 'cyd'],
      ] as const)
        assert.equal((await streamed(node, model)).finish, 'stop', `${model} from ${node.name} during the partition`)
      // Long enough for sessions across to be given up.
      const failed = await ada.process.post('/v1/chat/completions', asking('dan'), {
        signal: AbortSignal.timeout(60_000),
      })
      assert.ok(failed.status >= 500, `${failed.status}`)
      lab.heal(apart, 'lan')
      const healedAt = performance.now()
      for (const node of nodes) await untilModels(node, names, HEALED_WITHIN_MS)
      const tables = async (): Promise<Set<string>> =>
        new Set(
          await Promise.all(
            nodes.map(async (node) =>
              (await node.status()).nodes
                .map(({ id }) => id)
                .sort()
                .join(),
            ),
          ),
        )
      await waitUntil(async () => (await tables()).size === 1, 'equal tables', HEALED_WITHIN_MS)
      assert.ok(performance.now() - healedAt < HEALED_WITHIN_MS)
      assert.equal((await streamed(ada, 'dan')).finish, 'stop')
    })

    it('go on when the bootstrap is killed', async () => {
      const [ada, bob] = nodes as [MeshNode, MeshNode]
      await ada.kill()
      assert.equal((await streamed(bob, 'cyd')).finish, 'stop')
      await bob.process.post('/v1/chat/completions', asking('ada'), { signal: AbortSignal.timeout(30_000) })
      await untilModels(bob, names.slice(1))
    })
  })
}
