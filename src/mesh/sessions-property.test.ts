/** Whatever nodes do at the same time, two of them end up with one session, and no request is lost. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Fabric, type FabricNode, slowAnswer } from '../../test/support/mesh-fabric.ts'
import { calm } from '../../test/support/mesh-pair.ts'
import { nth } from '../../test/support/registry-peer.ts'
import { seededChance } from '../../test/support/seeded-chance.ts'
import { HeddleError, mayTryNextCandidate } from '../core/errors.ts'
import { limit } from '../core/limits.ts'

const SEEDS = 80
const WAYS = [['direct'], ['circuit'], ['direct', 'circuit'], ['circuit', 'direct'], []] as const

class Story {
  readonly chance: () => number
  readonly fabric: Fabric
  readonly nodes: readonly FabricNode[]
  readonly running: Promise<string>[] = []
  /** Whether ways break, and requests with them. */
  readonly isRough: boolean

  constructor(seed: number) {
    this.chance = seededChance(seed)
    this.isRough = seed % 2 === 1
    const jitterMs = this.below(200)
    this.fabric = new Fabric({ seed, conditions: { delayMs: 1 + this.below(20), jitterMs } })
    const serve = slowAnswer(this.fabric.clock, 5, 40)
    this.nodes = Array.from({ length: 2 + this.below(3) }, (_, index) => this.fabric.node(`n${index}`, { serve }))
  }

  below(most: number): number {
    return Math.floor(this.chance() * most)
  }

  pair(): readonly [FabricNode, FabricNode] {
    const first = this.below(this.nodes.length)
    const second = (first + 1 + this.below(this.nodes.length - 1)) % this.nodes.length
    return [nth(this.nodes, first), nth(this.nodes, second)]
  }

  step(): void {
    const [one, other] = this.pair()
    switch (this.below(6)) {
      case 0:
        if (this.isRough) this.fabric.peers.setWays(one.self, other.self, nth(WAYS, this.below(WAYS.length)))
        return
      case 1:
        void one.sessions.current(other.self)?.retire()
        return
      case 2:
        void one.sessions.probe(other.self, { signal: calm() }).catch(() => undefined)
        return
      default:
        for (const [client, server] of this.chance() < 0.5
          ? ([
              [one, other],
              [other, one],
            ] as const)
          : ([[one, other]] as const))
          this.ask(client, server)
    }
  }

  ask(client: FabricNode, server: FabricNode): void {
    this.running.push(
      client.ask(server.self, '').catch((error: unknown) => {
        assert.ok(error instanceof HeddleError && mayTryNextCandidate(error), String(error))
        return error.code
      }),
    )
  }
}

async function tell(seed: number): Promise<{ readonly answers: readonly string[]; readonly isRough: boolean }> {
  const story = new Story(seed)
  const { fabric, nodes } = story
  for (let steps = 10 + story.below(30); steps > 0; steps -= 1) {
    story.step()
    await fabric.clock.advance(story.below(300))
  }
  for (const one of nodes) for (const other of nodes) fabric.peers.setWays(one.self, other.self, ['direct'])
  const answers = await fabric.during(Promise.all(story.running))
  await fabric.clock.advance(limit('meshDialPauseMs') + limit('meshConfirmMs') + limit('meshDialMs'))
  for (const one of nodes)
    for (const other of nodes) if (one !== other) assert.match(await fabric.during(one.ask(other.self, '')), /^200 /)
  await fabric.clock.advance(limit('meshConfirmMs') + 2_000)
  for (const node of nodes) {
    assert.equal(node.dispatched, node.ended)
    const seen = node.sessions.view().map(({ peer, state, path, inFlight, serving }) => {
      assert.deepEqual([state, path.kind, inFlight, serving], ['open', 'direct', 0, 0])
      return peer
    })
    assert.deepEqual(
      seen.sort(),
      nodes.filter((other) => other !== node).map(({ self }) => self),
    )
  }
  return { answers, isRough: story.isRough }
}

describe('sessions of nodes that do many things at once', () => {
  it(`come down to one for each two, and every request ends (${SEEDS} stories)`, async () => {
    let broken = 0
    for (let seed = 0; seed < SEEDS; seed += 1) {
      const { answers, isRough } = await tell(seed).catch((error: unknown) => {
        throw new Error(`story ${seed}: ${error instanceof Error ? error.message : String(error)}`, { cause: error })
      })
      const failed = answers.filter((answer) => !answer.startsWith('200 '))
      // Without a way that breaks, nothing may fail: what runs finishes, and what was not begun is sent again.
      if (!isRough) assert.deepEqual(failed, [], `story ${seed}`)
      broken += failed.length
    }
    assert.ok(broken >= 20, `only ${broken} requests failed in rough stories`)
  })
})
