/** This node as a provider: its runtimes, what they offer, and requests carried to them in process. */

import { HeddleError } from '../core/errors.ts'
import type { NodeId, RuntimeId } from '../core/ids.ts'
import { Listeners } from '../core/listeners.ts'
import type { MessageRequest, MessageResponse } from '../core/message.ts'
import type { Candidate, ModelOffer, RouteTarget, RuntimeState } from '../core/routing/candidate.ts'
import type { Connector, SendOptions } from '../ports/connector.ts'
import type { Directory } from '../ports/directory.ts'
import type { Logger } from '../ports/logger.ts'
import type { Metrics } from '../ports/metrics.ts'
import type { Runtime } from '../ports/runtime.ts'

export interface LocalProviderDeps {
  readonly log: Logger
  readonly metrics: Pick<Metrics, 'runtimeState'>
  /** Told after each change of what is offered. */
  readonly onOffers: (offers: readonly LocalCandidate[]) => void
}

export interface NodeName {
  readonly id: NodeId
  readonly name: string
  readonly region?: string | undefined
}

/** One model of one runtime here; its load is read when asked for. */
export class LocalCandidate implements Candidate {
  readonly connector = 'local'
  readonly trust = 'self'
  readonly rttMs = 0
  readonly node: NodeId
  readonly nodeName: string
  readonly runtime: RuntimeId
  readonly offer: ModelOffer
  readonly state: RuntimeState
  readonly reason: string
  readonly capacity: number
  readonly region: string | undefined
  readonly #runtime: Runtime

  constructor(node: NodeName, runtime: Runtime, offer: ModelOffer) {
    const { state, reason, capacity } = runtime.snapshot()
    this.node = node.id
    this.nodeName = node.name
    this.region = node.region
    this.runtime = runtime.id
    this.offer = offer
    this.state = state
    this.reason = reason
    this.capacity = capacity
    this.#runtime = runtime
  }

  get inFlight(): number {
    return this.#runtime.inFlight()
  }
}

interface Entry {
  readonly runtime: Runtime
  readonly unsubscribe: () => void
}

/** Owns the runtimes added to it: disposing it disposes them. */
export class LocalProvider implements Directory, Connector, AsyncDisposable {
  readonly kind = 'local'
  readonly #deps: LocalProviderDeps
  readonly #node: NodeName
  readonly #entries = new Map<RuntimeId, Entry>()
  readonly #listeners = new Listeners<[what: 'load' | 'description']>()
  #candidates: readonly LocalCandidate[] = []
  #byModel: ReadonlyMap<string, readonly LocalCandidate[]> = new Map()
  #version = 0

  constructor(deps: LocalProviderDeps, node: NodeName) {
    this.#deps = deps
    this.#node = node
  }

  /** Starts `runtime` and offers what it has; throws `conflict` where one of that id is here. */
  add(runtime: Runtime): void {
    if (this.#entries.has(runtime.id))
      throw new HeddleError('conflict', `there is a runtime "${runtime.id}" already`, { fix: 'heddle runtimes ls' })
    const stopChanges = runtime.onChange(() => this.#refresh())
    const stopLoads = runtime.onLoad(() => this.#listeners.tell('load'))
    const unsubscribe = (): void => {
      stopChanges()
      stopLoads()
    }
    this.#entries.set(runtime.id, { runtime, unsubscribe })
    runtime.start()
    this.#refresh()
  }

  /** Stops a runtime and takes back what it offered; false where there is none of that id. */
  async remove(id: RuntimeId): Promise<boolean> {
    const entry = this.#entries.get(id)
    if (entry === undefined) return false
    this.#entries.delete(id)
    entry.unsubscribe()
    this.#refresh()
    await entry.runtime[Symbol.asyncDispose]()
    return true
  }

  runtimes(): readonly Runtime[] {
    return [...this.#entries.values()].map(({ runtime }) => runtime)
  }

  /** Calls `listener` after runtimes, offers or states changed, and after in-flight numbers did. The result stops that. */
  onChange(listener: (what: 'load' | 'description') => void): () => void {
    return this.#listeners.add(listener)
  }

  version(): number {
    return this.#version
  }

  candidatesFor(model: string): readonly Candidate[] {
    return this.#byModel.get(model) ?? []
  }

  all(): readonly LocalCandidate[] {
    return this.#candidates
  }

  send(target: RouteTarget, request: MessageRequest, options: SendOptions): Promise<MessageResponse> {
    const entry = this.#entries.get(target.runtime)
    if (entry === undefined) return Promise.reject(new HeddleError('runtime_unavailable', 'the runtime was removed'))
    return entry.runtime.send(request, options)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#entries.keys()].map((id) => this.remove(id)))
  }

  #refresh(): void {
    const candidates: LocalCandidate[] = []
    for (const { runtime } of this.#entries.values()) {
      const { offers, state, reason } = runtime.snapshot()
      this.#deps.metrics.runtimeState(runtime.id, state === 'ready')
      this.#deps.log.debug({ runtime: runtime.id, state, reason, models: offers.length }, 'runtime changed')
      for (const offer of offers) candidates.push(new LocalCandidate(this.#node, runtime, offer))
    }
    this.#candidates = candidates
    this.#byModel = Map.groupBy(candidates, ({ offer }) => offer.id)
    this.#version += 1
    this.#deps.onOffers(candidates)
    this.#listeners.tell('description')
  }
}
