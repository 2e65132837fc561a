/** A node that breaks the rules: it forges, replays, mutates, floods and signs two records with one number. */
import type { MemoryGossip } from '../../src/adapters/memory/memory-gossip.ts'
import type { MemoryPeerStreams } from '../../src/adapters/memory/memory-peer-streams.ts'
import type { UnixMs } from '../../src/core/ids.ts'
import { asUnixMs } from '../../src/core/ids.ts'
import { MESH_PROTOCOL } from '../../src/core/mesh/session-options.ts'
import { encodeBatch, registryTopic } from '../../src/core/registry/gossip-batch.ts'
import { encodeQuestion, SYNC_PROTOCOL } from '../../src/core/registry/sync-messages.ts'
import { encodeFrame } from '../../src/core/wire/frames/frame-writer.ts'
import { nth, TEST_NETWORK, type TestDevice, withFlippedByte } from '../support/registry-peer.ts'

const TOPIC = registryTopic(TEST_NETWORK)
const MOST_HEARD = 200

export class Attacker {
  readonly device: TestDevice
  readonly #gossip: MemoryGossip
  readonly #streams: MemoryPeerStreams
  readonly #chance: () => number
  readonly #now: () => UnixMs
  readonly #heard: Uint8Array[] = []
  readonly #never = new AbortController()
  /** Both of each pair were signed by the attacker with one number. */
  equivocations = 0
  /** Streams for sessions that it opened to misuse them. */
  sessions = 0

  constructor(
    { gossip, streams }: { readonly gossip: MemoryGossip; readonly streams: MemoryPeerStreams },
    device: TestDevice,
    { chance, now }: { chance: () => number; now: () => UnixMs },
  ) {
    this.#gossip = gossip
    this.#streams = streams
    this.device = device
    this.#chance = chance
    this.#now = now
    gossip.subscribe(TOPIC, ({ data }) => {
      if (this.#heard.length < MOST_HEARD) this.#heard.push(data)
      return 'accept'
    })
  }

  /** One bad deed, chosen by chance. */
  async act(victims: readonly TestDevice[]): Promise<void> {
    const deeds = [
      this.#replay,
      this.#mutate,
      this.#forge,
      this.#future,
      this.#oversize,
      this.#push,
      this.#garbage,
      this.#answerBadly,
      this.#misuseSession,
    ]
    await nth(deeds, Math.floor(this.#chance() * deeds.length)).call(this, victims)
  }

  /** Two records with one number, each to one neighbour. */
  async equivocate(incarnation: number): Promise<void> {
    const records = ['one', 'two'].map((name) => this.#own({ incarnation, name }))
    for (const [index, peer] of this.#gossip.peers().entries()) {
      const record = nth(records, index % 2)
      await this.#ask(
        peer,
        encodeQuestion({ kind: 'push', items: [{ kind: 'record', record, beat: undefined, idleMs: 0 }] }),
      )
    }
    this.equivocations += 1
  }

  #own(changes: Parameters<TestDevice['record']>[1]): Uint8Array {
    return this.device.record(7, { addresses: [], signedAt: this.#now(), ...changes }).bytes
  }

  async #replay(): Promise<void> {
    const old = this.#heard[Math.floor(this.#chance() * this.#heard.length)]
    if (old !== undefined) await this.#publish(old)
  }

  async #mutate(): Promise<void> {
    const old = this.#heard[Math.floor(this.#chance() * this.#heard.length)]
    if (old !== undefined)
      await this.#publish(
        withFlippedByte(old, Math.floor(this.#chance() * old.length), 1 + Math.floor(this.#chance() * 255)),
      )
  }

  /** A record of a victim with a later number, signed by the attacker: the key in it is the attacker's own, or the signature is wrong. */
  async #forge(victims: readonly TestDevice[]): Promise<void> {
    const victim = nth(victims, Math.floor(this.#chance() * victims.length))
    const { bytes } = victim.record(99_999, { incarnation: 2 ** 52, signedAt: this.#now(), name: 'forged' })
    await this.#publish(batchOf([withFlippedByte(bytes, bytes.length - 1 - Math.floor(this.#chance() * 60))]))
  }

  async #future(): Promise<void> {
    await this.#publish(batchOf([this.#own({ signedAt: asUnixMs(this.#now() + 40 * 60_000) })]))
  }

  async #oversize(): Promise<void> {
    await this.#publish(batchOf([new Uint8Array(4_097)]))
  }

  async #push(): Promise<void> {
    const old = this.#heard[Math.floor(this.#chance() * this.#heard.length)] ?? new Uint8Array(9)
    const items = [
      { kind: 'record' as const, record: old, beat: old, idleMs: 0 },
      { kind: 'proof' as const, proof: old },
    ]
    for (const peer of this.#gossip.peers()) await this.#ask(peer, encodeQuestion({ kind: 'push', items }))
  }

  async #garbage(): Promise<void> {
    const bytes = Uint8Array.from({ length: Math.floor(this.#chance() * 400) }, () => Math.floor(this.#chance() * 256))
    await this.#publish(bytes)
    for (const peer of this.#gossip.peers()) await this.#ask(peer, bytes)
  }

  /** Whoever compares with the attacker gets garbage. */
  async #answerBadly(): Promise<void> {
    this.#gossip.answer(SYNC_PROTOCOL, async () =>
      Uint8Array.from({ length: 50 }, () => Math.floor(this.#chance() * 256)),
    )
  }

  /** Opens a session and sends garbage, half a frame, or more requests than it may, and reads nothing. */
  async #misuseSession(victims: readonly TestDevice[]): Promise<void> {
    const { peer } = nth(victims, Math.floor(this.#chance() * victims.length))
    const options = { addresses: [`/memory/${peer}`], signal: this.#never.signal }
    const stream = await this.#streams.open(peer, MESH_PROTOCOL, options).catch(() => undefined)
    if (stream === undefined) return
    this.sessions += 1
    const hello = encodeFrame({ kind: 'hello', least: 1, most: 1, features: 0, windowBytes: 1, openRequests: 1 })
    const request = { id: 'req_bad', service: 'llm', method: 'POST', path: '/', headers: {} }
    const opens = Array.from({ length: 1_200 }, (_, index) =>
      encodeFrame({ kind: 'open', stream: 2 * index + 1, isLast: true, ...request }),
    )
    const garbage = Uint8Array.from({ length: 300 }, () => Math.floor(this.#chance() * 256))
    const misuses = [[garbage], [hello, garbage], [hello, nth(opens, 0).subarray(0, 20)], [hello, ...opens]]
    stream.send(nth(misuses, Math.floor(this.#chance() * misuses.length)))
  }

  async #publish(data: Uint8Array): Promise<void> {
    await this.#gossip.publish(TOPIC, data, { signal: this.#never.signal })
  }

  async #ask(peer: ReturnType<MemoryGossip['peers']>[number], bytes: Uint8Array): Promise<void> {
    await this.#gossip.ask(peer, SYNC_PROTOCOL, bytes, { signal: this.#never.signal }).catch(() => undefined)
  }
}

function batchOf(records: readonly Uint8Array[]): Uint8Array {
  return encodeBatch({ records, beats: [], proofs: [] })
}
