/** A network of a thousand nodes in virtual time. Most are light: they sign, pass gossip on and answer syncs over one shared registry. */
import { MemoryClock } from '../../src/adapters/memory/memory-clock.ts'
import { type MemoryGossip, MemoryGossipNetwork } from '../../src/adapters/memory/memory-gossip.ts'
import type { NodeId } from '../../src/core/ids.ts'
import { encodeBatch, registryTopic } from '../../src/core/registry/gossip-batch.ts'
import { beatIntervalMs, leaseMsFor } from '../../src/core/registry/lease.ts'
import { SYNC_PROTOCOL } from '../../src/core/registry/sync-messages.ts'
import { SyncAnswers } from '../../src/membership/sync-answers.ts'
import { SimulatedNode } from '../../test/simulation/simulated-node.ts'
import { nth, scheme, TEST_NETWORK, TestDevice, testRegistry } from '../../test/support/registry-peer.ts'
import { seededChance } from '../../test/support/seeded-chance.ts'

const TOPIC = registryTopic(TEST_NETWORK)
const SECOND = 1_000
const STEP_MS = 50
/** Dials of each light node; it gets as many from others. */
const DIALS = 4
/** One way; what is common between cities of one continent. */
const LINK_DELAY_MS = [5, 60] as const
const QUOTAS = { records: 100_000, perBlock: 100_000, withoutBlock: 100_000 }
/** Numbers of the light nodes' keys begin here; those of whole nodes above. */
const LIGHT = 10_000
const WHOLE = 90_000

export interface NetworkFigures {
  readonly nodes: number
  /** Virtual time from the start of a whole node until it listed everybody. */
  readonly joinMs: readonly number[]
  /** Virtual time from a change at a whole node until 99 % of all nodes had it. */
  readonly spreadMs: readonly number[]
  /** Of a whole node when nothing happens: bytes and messages of gossip that it takes in a minute, each counted once. */
  readonly messagesPerMinute: number
}

/** The nodes that are measured are whole, with the real codec and crypto. */
export async function simulateNetwork(
  count: number,
  { joins, changes, signal }: { readonly joins: number; readonly changes: number; readonly signal: AbortSignal },
): Promise<NetworkFigures> {
  const clock = new MemoryClock()
  const chance = seededChance(11)
  const network = new MemoryGossipNetwork({ clock, chance })
  network.faults = { delayMs: LINK_DELAY_MS, loss: 0.01, duplication: 0 }
  const registry = testRegistry({ quotas: QUOTAS })
  const heard = new Map<string, number>()
  const devices = Array.from({ length: count - joins }, (_, index) => new TestDevice(LIGHT + index))
  for (const device of devices) {
    const record = device.record(1, {
      leaseMs: leaseMsFor(count),
      addresses: [`/memory/${device.peer}`],
      signedAt: clock.now(),
    })
    registry.receiveRecord(record.bytes, { now: clock.now(), at: clock.monotonic(), source: 'author', idleMs: 0 })
    startLight(network.open(device.peer), device)
  }
  await connectAll()

  function startLight(gossip: MemoryGossip, device: TestDevice): void {
    const ignore = {
      membersOnly: false,
      onOutcome: () => undefined,
      onHello: () => undefined,
      objectionToPeer: () => undefined,
    }
    const answers = new SyncAnswers({ clock, network: TEST_NETWORK, registry, ...ignore })
    gossip.answer(SYNC_PROTOCOL, async (from, question) => answers.answer(from, question))
    gossip.subscribe(TOPIC, ({ data }) => {
      const key = Buffer.from(data).toString('latin1')
      const times = heard.get(key)
      if (times !== undefined) heard.set(key, times + 1)
      return 'accept'
    })
    let number = 0
    const beat = (): void => {
      number += 1
      const { bytes } = device.beat(number, { sentAt: clock.now(), leaseMs: leaseMsFor(count) })
      registry.receiveBeat(bytes, { now: clock.now(), at: clock.monotonic(), source: 'author', idleMs: 0 })
      void gossip.publish(TOPIC, encodeBatch({ records: [], beats: [bytes], proofs: [] }), { signal })
      clock.after(beatIntervalMs(count) * (0.8 + 0.4 * chance()), beat)
    }
    clock.after(beatIntervalMs(count) * chance(), beat)
  }

  async function connectAll(): Promise<void> {
    const dial = async (peer: NodeId): Promise<void> => {
      const other = nth(devices, Math.floor(chance() * devices.length)).peer
      // A node that drew itself makes no connection.
      await network
        .node(peer)
        ?.connect(`/memory/${other}`, { signal })
        .catch(() => undefined)
    }
    const dials = devices.flatMap(({ peer }) => Array.from({ length: DIALS }, () => dial(peer)))
    await Promise.all([...dials, clock.advance(SECOND)])
  }

  async function until(isTrue: () => boolean, mostMs: number): Promise<number> {
    const from = clock.monotonic()
    while (!isTrue() && clock.monotonic() - from < mostMs) {
      signal.throwIfAborted()
      await clock.advance(STEP_MS)
    }
    return isTrue() ? clock.monotonic() - from : Number.POSITIVE_INFINITY
  }

  const whole: SimulatedNode[] = []
  const joinMs: number[] = []
  for (let join = 0; join < joins; join += 1) {
    const bootstrap: readonly NodeId[] = [nth(devices, Math.floor(chance() * devices.length)).peer]
    const node = new SimulatedNode(
      { clock, network, chance, scheme, bootstrap, quotas: QUOTAS },
      new TestDevice(WHOLE + join),
    )
    whole.push(node)
    await node.start()
    joinMs.push(await until(() => node.membership.registry.table.live >= devices.length + whole.length, 60 * SECOND))
  }

  const spreadMs: number[] = []
  const wanted = Math.ceil(0.99 * devices.length)
  for (let change = 0; change < changes; change += 1) {
    const node = nth(whole, change % whole.length)
    heard.clear()
    const gossip = network.node(node.peer)
    const publish = gossip?.publish.bind(gossip)
    // The bytes of the next record are known only when it is sent.
    if (gossip !== undefined && publish !== undefined) {
      gossip.publish = (topic, data, options) => {
        if (data.length > 400) heard.set(Buffer.from(data).toString('latin1'), 0)
        return publish(topic, data, options)
      }
    }
    node.changeModel(`changed-${change}`)
    const others = whole.filter((each) => each !== node)
    const isSeen = (): boolean =>
      [...heard.values()].some((times) => times >= wanted) &&
      others.every((each) => each.membership.registry.table.having('model', `changed-${change}`).length === 1)
    spreadMs.push(await until(isSeen, 30 * SECOND))
    if (gossip !== undefined && publish !== undefined) gossip.publish = publish
    await clock.advance(2 * SECOND)
  }

  const measured = nth(whole, 0)
  const before = { ...measured.membership.view().gossip }
  await clock.advance(10 * SECOND)
  const after = measured.membership.view().gossip
  const messages = after.accepted + after.ignored - before.accepted - before.ignored
  for (const node of whole) await node.kill()
  return { nodes: count, joinMs, spreadMs, messagesPerMinute: messages * 6 }
}
