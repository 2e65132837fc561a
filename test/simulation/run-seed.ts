/** One seeded run: some nodes, some minutes of trouble, then calm, and what must be true after it. */
import assert from 'node:assert/strict'
import { MemoryClock } from '../../src/adapters/memory/memory-clock.ts'
import { limit } from '../../src/core/limits.ts'
import { leaseMsFor } from '../../src/core/registry/lease.ts'
import { parseNodeRecord, verifyRecord } from '../../src/core/registry/record-codec.ts'
import { nth, scheme as realScheme, TestDevice } from '../support/registry-peer.ts'
import { seededChance } from '../support/seeded-chance.ts'
import { Attacker } from './attacker.ts'
import type { Met } from './met.ts'
import { rememberingScheme } from './remembering-scheme.ts'
import { ServingNode } from './serving-node.ts'
import { SimulatedWorld } from './simulated-world.ts'
import { Traffic } from './traffic.ts'

const scheme = rememberingScheme(realScheme)
const SECOND = 1_000
/** Tables are equal this long after the last disturbance. */
const CONVERGENCE_MS = 30 * SECOND
const MAX_SKEW_MS = 7 * 60 * SECOND

export interface RunResult {
  /** What happened, a line each; equal for equal seeds. */
  readonly trace: readonly string[]
  readonly virtualMs: number
  /** What came to pass at least once: simulations that never meet trouble prove nothing. */
  readonly met: ReadonlySet<Met>
}

class Run {
  readonly clock = new MemoryClock()
  readonly chance: () => number
  readonly world: SimulatedWorld
  readonly nodes: readonly ServingNode[]
  readonly traffic: Traffic
  readonly attacker: Attacker | undefined
  readonly trace: string[] = []
  readonly met = new Set<Met>()
  #models = 0

  constructor(seed: number) {
    this.chance = seededChance(seed)
    this.world = new SimulatedWorld(this.clock, this.chance, seed)
    const devices = Array.from({ length: 3 + this.below(5) }, (_, index) => device(index))
    const bootstrap = devices.slice(0, 1 + this.below(2)).map(({ peer }) => peer)
    const { gossip: network, peers } = this.world
    const deps = { clock: this.clock, network, peers, chance: this.chance, scheme, bootstrap }
    const isSkewed = this.chance() < 0.3
    if (isSkewed) this.met.add('skew')
    this.nodes = devices.map((each) => {
      const skewMs = isSkewed ? Math.round((this.chance() * 2 - 1) * MAX_SKEW_MS) : 0
      return new ServingNode(deps, each, { skewMs })
    })
    this.traffic = new Traffic({ clock: this.clock, chance: this.chance, note: (text) => this.note(text) }, this.nodes)
    if (this.chance() < 0.5) {
      const bad = device(100)
      this.attacker = new Attacker({ gossip: network.open(bad.peer), streams: peers.open(bad.peer) }, bad, {
        chance: this.chance,
        now: () => this.clock.now(),
      })
    }
  }

  below(most: number): number {
    return Math.floor(this.chance() * most)
  }

  get up(): readonly ServingNode[] {
    return this.nodes.filter(({ isUp }) => isUp)
  }

  note(text: string): void {
    this.trace.push(`${Math.round(this.clock.monotonic())} ${text}`)
  }

  async trouble(): Promise<void> {
    for (const node of this.nodes) {
      await node.start()
      await this.clock.advance(this.below(2 * SECOND))
    }
    const { faults } = this.world.trouble()
    this.note(`${this.nodes.length} nodes, ${JSON.stringify(faults)}, attacker ${this.attacker !== undefined}`)
    if (faults.loss > 0) this.met.add('loss')
    if (faults.duplication > 0) this.met.add('duplication')
    const steps = 6 + this.below(10)
    for (let step = 0; step < steps; step += 1) {
      await this.#disturb()
      for (let asked = this.below(4); asked > 0; asked -= 1) {
        this.traffic.askSome()
        await this.clock.advance(this.below(SECOND))
      }
      await this.clock.advance(this.below(11 * SECOND))
    }
  }

  async #disturb(): Promise<void> {
    const node = nth(this.nodes, this.below(this.nodes.length))
    const name = `node ${this.nodes.indexOf(node)}`
    switch (this.below(9)) {
      case 0:
        this.note('partition')
        this.met.add('partition')
        return this.world.partition(this.nodes, this.#halves())
      case 1:
        this.note('heal')
        return this.world.heal()
      case 2:
        this.note(`${name} killed`)
        if (node.isUp) this.met.add('kill')
        return node.kill({ silent: this.chance() < 0.3 })
      case 3:
        this.note(`${name} leaves`)
        if (node.isUp) this.met.add('leave')
        return node.isUp ? node.leave() : undefined
      case 4:
      case 5:
        this.note(`${name} starts`)
        if (!node.isUp) this.met.add('restart')
        return node.start()
      case 6:
        this.#models += 1
        this.note(`${name} has model ${this.#models}`)
        return node.changeModel(`model-${this.#models}`)
      case 7:
        this.note(`${name} is busy`)
        return node.node.changeLoad({ inFlight: this.below(6), queued: this.below(2) })
      default:
        return this.#attack()
    }
  }

  /** Two parts, other ones each time. */
  #halves(): (peer: string) => number {
    const sides = new Map(this.nodes.map(({ peer }) => [peer as string, this.below(2)]))
    return (peer) => sides.get(peer) ?? 0
  }

  async #attack(): Promise<void> {
    const { attacker } = this
    if (attacker === undefined) return
    this.note('attack')
    const gossip = this.world.gossip.node(attacker.device.peer)
    const signal = new AbortController().signal
    const acting = async (): Promise<void> => {
      for (const { peer } of this.up) await gossip?.connect(`/memory/${peer}`, { signal }).catch(() => undefined)
      for (let deed = 0; deed < 3; deed += 1) await attacker.act(this.nodes.map(({ node }) => node.device))
      if (this.chance() < 0.3) await attacker.equivocate(1_000 + attacker.equivocations)
    }
    await Promise.all([acting(), this.clock.advance(20 * SECOND)])
  }

  /** The last disturbance is over, and a bootstrap runs. */
  async calm(): Promise<void> {
    this.world.calm()
    // Nodes that never met find each other over a bootstrap only.
    await nth(this.nodes, 0).start()
    this.note('calm')
    await this.clock.advance(CONVERGENCE_MS)
  }

  /** What the nodes that run have met, before they forget it. */
  meet(): void {
    for (const outcome of this.traffic.outcomes) this.met.add(outcome)
    for (const node of this.up) {
      const { registry } = node.membership
      const { gossip } = node.membership.view()
      if (this.attacker !== undefined && gossip.ignored > 0) this.met.add('attack refused')
      if ((this.attacker?.sessions ?? 0) > 0) this.met.add('attack on sessions')
      if (gossip.rejected > 0) this.met.add('attack held against its sender')
      for (const peer of [
        ...this.nodes.map((each) => each.peer),
        ...(this.attacker ? [this.attacker.device.peer] : []),
      ]) {
        const cause = registry.table.gone(peer)?.cause
        if (cause === 'equivocation') this.met.add('equivocation')
        if (cause === 'expired') this.met.add('lease ended')
        if (cause === 'left') this.met.add('farewell')
      }
    }
  }

  checkConverged(): void {
    for (const node of this.up) {
      const { table } = node.membership.registry
      for (const other of this.up) {
        const seen = table.get(other.peer)
        const own = other.membership.registry.table.get(other.peer)
        assert.ok(seen?.status === 'live', `${this.#name(node)} does not list ${this.#name(other)}`)
        assert.equal(seen.signed.id, own?.signed.id, `${this.#name(node)} has an old record of ${this.#name(other)}`)
      }
      this.#checkNothingForged(node)
    }
  }

  async checkStoppedAreGone(): Promise<void> {
    const leases = 2 * leaseMsFor(this.nodes.length)
    await this.clock.advance(leases)
    for (const node of this.up) {
      const { table, self } = node.membership.registry
      const listed = table.all().map(({ record }) => record.peer)
      assert.deepEqual(
        listed,
        this.up.map(({ peer }) => peer).sort(),
        `${this.#name(node)} lists others than those that run`,
      )
      assert.deepEqual(
        table.digest.root(),
        nth(this.up, 0).membership.registry.table.digest.root(),
        'the digests differ',
      )
      assert.equal(table.live, this.up.length)
      assert.ok(table.remembered <= limit('registryRecords'))
      assert.equal(table.get(self)?.record.peer, self)
    }
    this.checkConverged()
    // Sweep, save, refresh, beat, sync, connect and a few questions on their way: nothing piles up.
    assert.ok(this.clock.pending < 40 * this.nodes.length, `${this.clock.pending} timers wait`)
  }

  async checkNothingLeaks(): Promise<void> {
    for (const node of this.nodes) await node.kill({ silent: false })
    await this.clock.advance(60 * SECOND)
    assert.equal(this.clock.pending, 0, 'timers are left after everybody stopped')
  }

  /** Who runs, who is connected to whom, and what each lists. */
  state(): readonly string[] {
    const index = (peer: string): number => this.nodes.findIndex((each) => each.peer === peer)
    return this.up.map((node) => {
      const { registry } = node.membership
      const { state, bootstrap } = node.membership.view()
      const listed = registry.table
        .all()
        .map(({ record, status }) => `${index(record.peer)}@${record.incarnation % 1e6}.${record.seq} ${status}`)
      const peers = this.world.gossip.node(node.peer)?.peers().map(index).join() ?? ''
      return `${this.#name(node)} ${state}, connected to ${peers}, lists ${listed.join(', ')}; ${bootstrap.reason}`
    })
  }

  #checkNothingForged(node: ServingNode): void {
    const known = new Set([
      ...this.nodes.map(({ peer }) => peer),
      ...(this.attacker ? [this.attacker.device.peer] : []),
    ])
    for (const { signed } of node.membership.registry.table.all()) {
      const parsed = parseNodeRecord(scheme, signed.bytes)
      assert.ok(
        parsed.kind === 'ok' && verifyRecord(scheme, parsed.value) !== undefined,
        'a record has no good signature',
      )
      assert.ok(known.has(parsed.value.record.peer))
      assert.notEqual(parsed.value.record.name, 'forged')
    }
  }

  #name(node: ServingNode): string {
    return `node ${this.nodes.indexOf(node)}`
  }
}

/** Keys cost a while to make; the same numbers come again with every seed. */
const devices = new Map<number, TestDevice>()
function device(number: number): TestDevice {
  const known = devices.get(number) ?? new TestDevice(number)
  devices.set(number, known)
  return known
}

/** @throws AssertionError with the seed, the command that replays it and what happened before */
export async function runSeed(seed: number): Promise<RunResult> {
  const run = new Run(seed)
  try {
    await run.trouble()
    await run.calm()
    run.checkConverged()
    run.meet()
    await run.traffic.checkAllReachable()
    await run.checkStoppedAreGone()
    run.meet()
    run.traffic.checkEnded()
    await run.checkNothingLeaks()
  } catch (error) {
    const lines = [`seed ${seed} failed: ${error instanceof Error ? error.message : String(error)}`]
    lines.push(`replay: node scripts/run.js test/simulation/replay.ts ${seed}`, ...run.trace.map((line) => `  ${line}`))
    lines.push(...run.state().map((line) => `  ${line}`))
    throw new assert.AssertionError({ message: lines.join('\n') })
  }
  return { trace: run.trace, virtualMs: run.clock.monotonic(), met: run.met }
}
