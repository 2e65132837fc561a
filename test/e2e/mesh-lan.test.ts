/** Nodes on one LAN find each other by themselves, whatever becomes of the bootstrap that one of them was told. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { type MeshNode, startMeshNode, untilModels } from '../support/mesh-node.ts'
import { NetworkLab, namespacesMissing } from '../support/namespaces.ts'
import { placeIn } from '../support/place-in.ts'
import { waitUntil } from '../support/wait-until.ts'

const missing = namespacesMissing()
const NAMES = ['ada', 'bob', 'cyd']
const FOUND_WITHIN_MS = 30_000

describe('nodes on a LAN', { timeout: 120_000 }, () => {
  if (missing !== undefined) {
    it('need a machine that can make network namespaces', () => {
      assert.match(missing, /root, iproute2 and nftables are needed/)
    })
    return
  }
  const lab = new NetworkLab()
  const nodes: MeshNode[] = []
  before(async () => {
    lab.switch('lan', '192.168.7')
    for (const [index, name] of NAMES.entries()) {
      const machine = lab.machine(name, 'lan', { number: index + 2 })
      // Nobody has this address: what is sent there is never answered.
      const bootstrap = name === 'cyd' ? ['/ip4/192.168.7.200/tcp/11441'] : []
      const env = { HEDDLE_MESH_LISTEN: '0.0.0.0:11441', HEDDLE_MESH_LAN: 'true' }
      nodes.push(await startMeshNode({ name, bootstrap, env, place: placeIn(lab, machine) }))
    }
  })
  after(async () => {
    for (const node of nodes) await node[Symbol.asyncDispose]()
    lab[Symbol.dispose]()
  })

  it('serve each other’s models without any address given', async (t) => {
    const startedAt = performance.now()
    for (const node of nodes) await untilModels(node, NAMES, FOUND_WITHIN_MS)
    t.diagnostic(`all models at all nodes ${Math.round(performance.now() - startedAt)} ms after the last start`)
    for (const node of nodes) {
      for (const model of NAMES) {
        const body = { model, messages: [{ role: 'user', content: 'Hello' }] }
        assert.equal((await node.process.post('/v1/chat/completions', body)).status, 200, `${model} from ${node.name}`)
      }
    }
  })

  it('tell of a bootstrap that does not answer, with the command that shows more', async () => {
    const [, , cyd] = nodes
    assert.ok(cyd)
    await waitUntil(
      async () => (await cyd.status()).health.every(({ severity }) => severity !== 'error'),
      'no error while the LAN works',
    )
    const response = await cyd.process.get('/api/v1/netcheck', cyd.process.adminKey)
    assert.equal(response.status, 200)
    assert.match(await response.text(), /192\.168\.7\.|bootstrap/)
  })
})
