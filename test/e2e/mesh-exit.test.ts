/** A node with peers that is told to stop is gone within a second, with the right exit code and all that it logged. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { type MeshNode, startMeshNode, untilModels } from '../support/mesh-node.ts'

/** Leaving takes under 100 ms; the rest is for a busy machine. */
const GONE_WITHIN_MS = 1_000
const ALL = ['ada', 'bob', 'cyd']

describe('a node with two peers', { timeout: 120_000 }, () => {
  const nodes: MeshNode[] = []
  before(async () => {
    for (const name of ALL) {
      const bootstrap = nodes[0] === undefined ? [] : [nodes[0].address]
      nodes.push(await startMeshNode({ name, bootstrap, env: { HEDDLE_LOG_LEVEL: 'debug' } }))
    }
    for (const node of nodes) await untilModels(node, ALL)
  })
  after(async () => {
    for (const node of nodes) await node[Symbol.asyncDispose]()
  })

  it('ends at once, whatever its packages left behind', async () => {
    const cyd = nodes[2] as MeshNode
    // What its first life compiled is written down when that ends, once for this checkout.
    await cyd.process.stop()
    await cyd.restart()
    await untilModels(cyd, ALL)
    const from = performance.now()
    assert.equal(await cyd.process.stop(), 0)
    const tookMs = performance.now() - from
    assert.ok(tookMs < GONE_WITHIN_MS, `${Math.round(tookMs)} ms`)
    assert.match(cyd.process.output(), /"msg":"libp2p stopped"/)
    for (const node of nodes.slice(0, 2)) await untilModels(node, ['ada', 'bob'], 3_000)
  })
})
