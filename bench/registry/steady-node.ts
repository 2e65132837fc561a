/** One real node in a network that is at rest: what it hears in a minute of virtual time, and what that costs it. */
import { MemoryClock } from '../../src/adapters/memory/memory-clock.ts'
import { type MemoryGossip, MemoryGossipNetwork } from '../../src/adapters/memory/memory-gossip.ts'
import { asUnixMs } from '../../src/core/ids.ts'
import { limit } from '../../src/core/limits.ts'
import { encodeBatch, registryTopic } from '../../src/core/registry/gossip-batch.ts'
import { beatIntervalMs, leaseMsFor } from '../../src/core/registry/lease.ts'
import type { Registry } from '../../src/core/registry/registry.ts'
import { SYNC_PROTOCOL } from '../../src/core/registry/sync-messages.ts'
import { SyncAnswers } from '../../src/membership/sync-answers.ts'
import { SimulatedNode } from '../../test/simulation/simulated-node.ts'
import { nth, scheme, TEST_NETWORK, TestDevice, testRegistry } from '../../test/support/registry-peer.ts'
import { seededChance } from '../../test/support/seeded-chance.ts'
import { describedAs, FIRST_DEVICE, LenientScheme, NO_QUOTAS } from './sample-records.ts'

const SECOND = 1_000
const MINUTE = 60 * SECOND
/** Virtual time before the measured minute: connecting, and code that gets warm. */
const WARM_MS = 20 * SECOND
const NEIGHBOURS = 8
/** Records are signed again at nine tenths of the limit on average. */
const REFRESH_MS = limit('recordRefreshMs') * 0.9
const TOPIC = registryTopic(TEST_NETWORK)

export interface SteadyNode {
  readonly nodes: number
  readonly beatsPerSecond: number
  readonly recordsPerSecond: number
  /** Of the node, by the CPU time of the thread without what plays the rest of the network. */
  readonly cpuMsPerMinute: number
  /** Gossip, each message counted once. */
  readonly gossipKilobytesPerMinute: number
  /** Questions and answers of the comparisons that the node began; others begin as many with it. */
  readonly syncKilobytesPerMinute: number
  /** After the minute: listed and alive. */
  readonly live: number
}

/** Something that another node says, and when. */
interface Said {
  readonly atMs: number
  readonly data: Uint8Array
  readonly take: (registry: Registry) => void
}

export async function steadyNode(nodes: number, signal: AbortSignal): Promise<SteadyNode> {
  const clock = new MemoryClock()
  const chance = seededChance(21)
  const network = new MemoryGossipNetwork({ clock, chance })
  network.faults = { delayMs: [5, 60], loss: 0, duplication: 0 }
  const devices = Array.from({ length: nodes - 1 }, (_, index) => new TestDevice(FIRST_DEVICE + index))
  // What the neighbours hold; they look at no signature, as their work is not measured.
  const others = testRegistry({ quotas: NO_QUOTAS, scheme: new LenientScheme() })
  const node = new SimulatedNode(
    { clock, network, chance, scheme, bootstrap: [], quotas: NO_QUOTAS },
    new TestDevice(FIRST_DEVICE - 1),
    { hasDisk: false },
  )
  await node.start()
  for (const [index, device] of devices.entries()) {
    const age = Math.floor((index / devices.length) * REFRESH_MS)
    const signedAt = asUnixMs(clock.now() - age)
    const { bytes } = recordOf(device, index, 1, signedAt, nodes)
    for (const registry of [others, node.membership.registry])
      registry.receiveRecord(bytes, { now: signedAt, at: clock.monotonic(), source: 'author', idleMs: 0 })
  }
  const said = saidBy(devices, clock)
  const stub = { ms: 0 }
  const neighbours = await startNeighbours({ clock, network, node, others, stub }, signal)
  const speak = (from: number): void => {
    for (let index = from; index < said.length && nth(said, index).atMs <= clock.monotonic(); index += 1) {
      const { data, take } = nth(said, index)
      const before = cpuMs()
      take(others)
      void nth(neighbours, index % NEIGHBOURS).publish(TOPIC, data, { signal })
      stub.ms += cpuMs() - before
      from = index + 1
    }
    if (from < said.length) clock.after(nth(said, from).atMs - clock.monotonic(), () => speak(from))
  }
  speak(0)
  await clock.advance(WARM_MS)
  return await measured({ clock, network, node, said, stub })
}

/** The measured minute. */
async function measured({
  clock,
  network,
  node,
  said,
  stub,
}: {
  readonly clock: MemoryClock
  readonly network: MemoryGossipNetwork
  readonly node: SimulatedNode
  readonly said: readonly Said[]
  readonly stub: { ms: number }
}): Promise<SteadyNode> {
  const [before, stubBefore, cpuBefore] = [{ ...network.counts }, stub.ms, cpuMs()]
  await clock.advance(MINUTE)
  const cpuMsPerMinute = cpuMs() - cpuBefore - (stub.ms - stubBefore)
  const heard = said.filter(({ atMs }) => atMs > WARM_MS && atMs <= WARM_MS + MINUTE)
  const { table } = node.membership.registry
  const nodes = table.size
  const figures = {
    nodes,
    beatsPerSecond: (nodes * SECOND) / beatIntervalMs(nodes),
    recordsPerSecond: (nodes * SECOND) / REFRESH_MS,
    cpuMsPerMinute,
    gossipKilobytesPerMinute: heard.reduce((sum, { data }) => sum + data.length, 0) / 1_000,
    syncKilobytesPerMinute: (network.counts.questionBytes - before.questionBytes) / 1_000,
    live: table.live,
  }
  await node.kill()
  return figures
}

/** What all the others say in the warm and the measured time, signed beforehand. */
function saidBy(devices: readonly TestDevice[], clock: MemoryClock): readonly Said[] {
  const nodes = devices.length + 1
  const until = WARM_MS + MINUTE + SECOND
  const start = clock.now()
  const said: Said[] = []
  const leaseMs = leaseMsFor(nodes)
  const every = (intervalMs: number, say: (index: number, number: number, atMs: number) => Said): void => {
    for (const index of devices.keys()) {
      // Evenly over the interval.
      const firstMs = ((index * 7_919) % devices.length) * (intervalMs / devices.length)
      for (let number = 1, atMs = firstMs; atMs < until; number += 1, atMs += intervalMs)
        said.push(say(index, number, atMs))
    }
  }
  every(beatIntervalMs(nodes), (index, number, atMs) => {
    const { bytes } = nth(devices, index).beat(number, { sentAt: asUnixMs(Math.floor(start + atMs)), leaseMs })
    const take = (registry: Registry): void => void registry.receiveBeat(bytes, arrivalNow(clock))
    return { atMs, take, data: encodeBatch({ records: [], beats: [bytes], proofs: [] }) }
  })
  every(REFRESH_MS, (index, number, atMs) => {
    const { bytes } = recordOf(nth(devices, index), index, number + 1, asUnixMs(Math.floor(start + atMs)), nodes)
    const take = (registry: Registry): void => void registry.receiveRecord(bytes, arrivalNow(clock))
    return { atMs, take, data: encodeBatch({ records: [bytes], beats: [], proofs: [] }) }
  })
  return said.sort((a, b) => a.atMs - b.atMs)
}

/** Peers that bring gossip and answer comparisons over one registry. */
async function startNeighbours(
  {
    clock,
    network,
    node,
    others,
    stub,
  }: {
    readonly clock: MemoryClock
    readonly network: MemoryGossipNetwork
    readonly node: SimulatedNode
    readonly others: Registry
    readonly stub: { ms: number }
  },
  signal: AbortSignal,
): Promise<readonly MemoryGossip[]> {
  const ignore = {
    onOutcome: () => undefined,
    onHello: () => undefined,
    objectionToPeer: () => undefined,
    membersOnly: false,
  }
  const neighbours = Array.from({ length: NEIGHBOURS }, (_, index) => {
    const gossip = network.open(new TestDevice(FIRST_DEVICE + index).peer)
    const answers = new SyncAnswers({ clock, network: TEST_NETWORK, registry: others, ...ignore })
    gossip.subscribe(TOPIC, () => 'ignore')
    gossip.answer(SYNC_PROTOCOL, (from, question, options) => {
      const before = cpuMs()
      const answer = answers.answer(from, question, options)
      stub.ms += cpuMs() - before
      return answer
    })
    return gossip
  })
  const dials = neighbours.map((gossip) => gossip.connect(`/memory/${node.peer}`, { signal }))
  await Promise.all([...dials, clock.advance(SECOND)])
  return neighbours
}

function recordOf(
  device: TestDevice,
  index: number,
  seq: number,
  signedAt: ReturnType<typeof asUnixMs>,
  nodes: number,
) {
  return device.record(seq, { ...describedAs(index), signedAt, leaseMs: leaseMsFor(nodes) })
}

function arrivalNow(clock: MemoryClock) {
  return { now: clock.now(), at: clock.monotonic(), source: 'author' as const, idleMs: 0 }
}

/** Of this thread, so that a busy machine blurs it less. It moves in steps of a millisecond; sums over thousands of calls are right. */
function cpuMs(): number {
  const { user, system } = process.threadCpuUsage()
  return (user + system) / 1_000
}
