/** Requests among the nodes of a simulation, and what must be true of each: it ends once, with the provider's whole answer or an error. */
import assert from 'node:assert/strict'
import type { MemoryClock } from '../../src/adapters/memory/memory-clock.ts'
import { HeddleError, mayTryNextCandidate } from '../../src/core/errors.ts'
import { asRequestId, asRuntimeId, type NodeId } from '../../src/core/ids.ts'
import type { MessageRequest } from '../../src/core/message.ts'
import type { RouteTarget } from '../../src/core/routing/candidate.ts'
import { bytesOf, readAll, textOf } from '../support/mesh-pair.ts'
import { nth, testService } from '../support/registry-peer.ts'
import type { ServingNode } from './serving-node.ts'
import { expectedAnswer, type Question } from './simulated-service.ts'

export const TRAFFIC_OUTCOMES = [
  'answered',
  'answered by the next candidate',
  'refused by the service',
  'cancelled',
  'broken off',
  'failed everywhere',
  'no candidate',
] as const
export type TrafficOutcome = (typeof TRAFFIC_OUTCOMES)[number]

/** One request, from its client's view. */
interface Asked {
  readonly text: string
  /** Empty until it has ended. */
  readonly ends: TrafficOutcome[]
}

const ATTEMPTS = 3
/** No request may take longer: a peer that fell silent is found out in 6 s, another dial is waited for 5 s, and two of three candidates may be such. */
const MOST_MS = 45_000

export class Traffic {
  readonly #clock: MemoryClock
  readonly #chance: () => number
  readonly #nodes: readonly ServingNode[]
  readonly #asked: Asked[] = []
  readonly #violations: string[] = []
  readonly #note: (text: string) => void

  /** @param note takes a line for each beginning and end of a request */
  constructor(
    {
      clock,
      chance,
      note,
    }: { readonly clock: MemoryClock; readonly chance: () => number; readonly note: (text: string) => void },
    nodes: readonly ServingNode[],
  ) {
    this.#note = note
    this.#clock = clock
    this.#chance = chance
    this.#nodes = nodes
  }

  get outcomes(): ReadonlySet<TrafficOutcome> {
    return new Set(this.#asked.flatMap(({ ends }) => ends))
  }

  /** A request of some node for the model of some other, begun and not waited for. */
  askSome(): void {
    const up = this.#nodes.filter(({ isUp }) => isUp)
    if (up.length === 0) return
    const client = nth(up, this.#below(up.length))
    const model = nth(this.#nodes, this.#below(this.#nodes.length)).model
    const question: Question = {
      number: this.#asked.length,
      model,
      chunks: 1 + this.#below(12),
      width: this.#chance() < 0.1 ? 2_000 : 1 + this.#below(20),
      everyMs: this.#below(400),
      fault: nth(['none', 'none', 'none', 'none', 'none', 'refuse', 'before', 'midway'] as const, this.#below(8)),
    }
    const leaveAfterMs = this.#chance() < 0.15 ? this.#below(3_000) : undefined
    const asked: Asked = { text: `node ${this.#nodes.indexOf(client)} asks ${JSON.stringify(question)}`, ends: [] }
    this.#asked.push(asked)
    this.#note(asked.text)
    void this.#ask(client, question, leaveAfterMs).then(
      (outcome) => {
        asked.ends.push(outcome)
        this.#note(`request ${question.number}: ${outcome}`)
      },
      (error: unknown) => {
        this.#violations.push(`${asked.text}: ${error instanceof Error ? error.message : String(error)}`)
      },
    )
  }

  /** Every node that runs asks every other one, and gets its answer. */
  async checkAllReachable(): Promise<void> {
    const up = this.#nodes.filter(({ isUp }) => isUp)
    const missing: string[] = []
    const asking = up.flatMap((client) =>
      up
        .filter((server) => server !== client)
        .map(async (server) => {
          const number = 1_000_000 + this.#asked.length
          const question: Question = { number, model: server.model, chunks: 2, width: 3, everyMs: 10, fault: 'none' }
          const end = await this.#send(client, targetOf(server.peer), question, new AbortController().signal).catch(
            (error: unknown) => `fails: ${error instanceof Error ? error.message : String(error)}`,
          )
          if (end !== 'answered')
            missing.push(`node ${this.#nodes.indexOf(client)} asks node ${this.#nodes.indexOf(server)}, which ${end}`)
        }),
    )
    await Promise.all([Promise.all(asking), this.#clock.advance(20_000)])
    assert.deepEqual(missing, [])
    for (const client of up)
      for (const server of up)
        assert.ok(
          server === client || client.membership.liveness.isUsable(server.peer),
          `node ${this.#nodes.indexOf(client)} does not use node ${this.#nodes.indexOf(server)}`,
        )
  }

  /** To be called long after the last request. */
  checkEnded(): void {
    assert.deepEqual(this.#violations, [])
    for (const { text, ends } of this.#asked) assert.equal(ends.length, 1, `${text} and ended ${ends.length} times`)
    for (const node of this.#nodes) {
      assert.deepEqual(node.violations, [])
      for (const { ends } of node.dispatched) assert.equal(ends, 1, `a dispatched request ended ${ends} times`)
      if (!node.isUp) continue
      const { sessions, service } = node.life
      assert.deepEqual(service.violations, [])
      assert.equal(service.running, 0, `node ${this.#nodes.indexOf(node)} still serves`)
      for (const { inFlight, serving } of sessions.view()) assert.deepEqual([inFlight, serving], [0, 0])
    }
  }

  async #ask(client: ServingNode, question: Question, leaveAfterMs: number | undefined): Promise<TrafficOutcome> {
    const leaving = new AbortController()
    const reason = new Error('the client left')
    using _ = this.#clock.after(leaveAfterMs ?? MOST_MS, () => leaving.abort(reason))
    const candidates = client.membership.directory
      .candidatesFor(question.model)
      .filter(({ state }) => state === 'ready')
      .toSorted((one, other) => one.inFlight - other.inFlight)
    if (candidates.length === 0) return 'no candidate'
    let failures = 0
    for (const candidate of candidates.slice(0, ATTEMPTS)) {
      try {
        const end = await this.#send(client, candidate, question, leaving.signal)
        return end === 'answered' && failures > 0 ? 'answered by the next candidate' : end
      } catch (error) {
        if (leaving.signal.aborted) {
          assert.equal(error, reason, 'a request that was given up ends with the reason of its client')
          assert.notEqual(leaveAfterMs, undefined, 'it took too long')
          return 'cancelled'
        }
        assert.ok(error instanceof HeddleError, String(error))
        if (error.code === 'upstream_interrupted') return 'broken off'
        assert.ok(mayTryNextCandidate(error), error.code)
        failures += 1
      }
      if (!client.isUp) break
    }
    return 'failed everywhere'
  }

  /** @throws what the connector or the body throws; AssertionError where the answer is not the provider's */
  async #send(
    client: ServingNode,
    target: RouteTarget,
    question: Question,
    signal: AbortSignal,
  ): Promise<'answered' | 'refused by the service'> {
    const { connector } = client.life
    const request: MessageRequest = {
      id: asRequestId(`req_${question.number}`),
      service: 'llm',
      method: 'POST',
      path: '/v1/chat/completions',
      headers: {},
      body: bytesOf(JSON.stringify(question)),
    }
    const response = await connector.send(target, request, { signal })
    const text = textOf(await readAll(response.body))
    if (question.fault === 'refuse') {
      assert.deepEqual([response.status, JSON.parse(text).error.code], [400, 'invalid_request'])
      return 'refused by the service'
    }
    assert.equal(question.fault, 'none', 'an answer that was told to fail came whole')
    assert.equal(response.status, 200)
    assert.equal(text, expectedAnswer(target.node, question))
    return 'answered'
  }

  #below(most: number): number {
    return Math.floor(this.#chance() * most)
  }
}

const targetOf = (node: NodeId): RouteTarget => ({
  node,
  connector: 'mesh',
  runtime: asRuntimeId(testService().runtime),
})
