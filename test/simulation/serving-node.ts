/** A simulated node with the real mesh on top of its membership: it serves its model to others and asks them for theirs. */
import type { MemoryPeerNetwork } from '../../src/adapters/memory/memory-peer-streams.ts'
import { HeddleError } from '../../src/core/errors.ts'
import type { NodeId } from '../../src/core/ids.ts'
import type { Membership } from '../../src/membership/membership.ts'
import type { MeshDeps } from '../../src/mesh/deps.ts'
import { MeshConnector } from '../../src/mesh/mesh-connector.ts'
import { PeerSessions } from '../../src/mesh/peer-sessions.ts'
import { pingPeer } from '../../src/mesh/ping-peer.ts'
import { RecordingLogger } from '../support/recording-logger.ts'
import { type TestDevice, testService } from '../support/registry-peer.ts'
import { SimulatedNode, type SimulatedNodeDeps } from './simulated-node.ts'
import { SimulatedService } from './simulated-service.ts'

export interface ServingNodeDeps extends SimulatedNodeDeps {
  readonly peers: MemoryPeerNetwork
}

/** What one life of the node has. */
interface Life {
  readonly sessions: PeerSessions
  readonly connector: MeshConnector
  readonly service: SimulatedService
}

const BOUNDS = { sessions: 64, openRequests: 16, windowBytes: 65_536 }
/** What runs may finish after the farewell. */
const LEAVE_MS = 5_000

export class ServingNode {
  readonly node: SimulatedNode
  readonly log = new RecordingLogger()
  readonly #deps: ServingNodeDeps
  #model = testService().offers[0]?.id ?? ''
  #life: Life | undefined
  /** Ends a life that is leaving, at once. */
  #cutShort: (() => void) | undefined
  /** Of all lives: requests that were dispatched, by how often they ended. */
  readonly dispatched: { ends: number }[] = []
  readonly violations: string[] = []

  constructor(deps: ServingNodeDeps, device: TestDevice, { skewMs }: { readonly skewMs: number }) {
    this.#deps = deps
    this.node = new SimulatedNode(deps, device, {
      skewMs,
      probe: async (peer, options) => {
        if (this.#life === undefined) throw new HeddleError('peer_unreachable', 'this node is down')
        await pingPeer({ sessions: this.#life.sessions, clock: deps.clock }, peer, options)
      },
    })
  }

  get peer(): NodeId {
    return this.node.peer
  }

  get isUp(): boolean {
    return this.node.isUp
  }

  get membership(): Membership {
    return this.node.membership
  }

  get model(): string {
    return this.#model
  }

  get life(): Life {
    if (this.#life === undefined) throw new Error(`${this.peer} is down`)
    return this.#life
  }

  async start(): Promise<void> {
    if (this.isUp) return
    this.#cutShort?.()
    const { peers } = this.#deps
    peers.network.restart(this.peer)
    this.#life = this.#begin()
    await this.node.start()
    this.#life.sessions.start()
  }

  /** Gone without a word; `silent`: and nobody resets its streams. */
  async kill({ silent }: { readonly silent: boolean }): Promise<void> {
    this.#cutShort?.()
    const life = this.#life
    this.#life = undefined
    await this.node.kill()
    if (life !== undefined) await this.#end(life, silent)
  }

  /** Says farewell and lets what runs finish for a while, which takes time that is not waited for. */
  async leave(): Promise<void> {
    const life = this.#life
    if (life === undefined) return
    await this.node.leave()
    this.#life = undefined
    const late = new AbortController()
    const timer = this.#deps.clock.after(LEAVE_MS, () => late.abort())
    let isEnded = false
    const end = (): void => {
      if (isEnded) return
      isEnded = true
      timer.cancel()
      this.#cutShort = undefined
      void this.#end(life, false)
    }
    this.#cutShort = end
    void life.sessions.leave(late).then(end)
  }

  changeModel(id: string): void {
    this.#model = id
    this.node.changeModel(id)
  }

  async #end({ sessions, service }: Life, silent: boolean): Promise<void> {
    // The process is gone before anything in it can say so to anybody.
    this.#deps.peers.network.crash(this.peer, { silent })
    await sessions[Symbol.asyncDispose]()
    this.violations.push(...service.violations)
  }

  #begin(): Life {
    const { clock, peers } = this.#deps
    // A node that leaves serves what it offered until the end.
    const service = new SimulatedService(clock, this.peer, () => this.#model)
    const deps: MeshDeps = {
      streams: peers.open(this.peer),
      clock,
      log: this.log,
      endOfTurn: (task) => void clock.after(0, task),
      addressesOf: (peer) => this.membership.registry.table.get(peer)?.record.addresses ?? [],
      admit: (peer, options) => this.membership.admit(peer, options),
      lost: (peer, why) => {
        if (this.isUp) this.membership.lost(peer, why)
      },
      serve: (from, request, options) => service.serve(from, request, options),
    }
    const sessions = new PeerSessions(deps, { self: this.peer, memoryBytes: 2 ** 30, bounds: BOUNDS })
    const connector = new MeshConnector({
      sessions,
      observed: (peer, outcome) => {
        if (this.isUp) this.membership.liveness.observed(peer, outcome)
      },
      dispatched: (target) => {
        const end = this.membership.directory.dispatched(target)
        const count = { ends: 0 }
        this.dispatched.push(count)
        return () => {
          count.ends += 1
          end()
        }
      },
    })
    return { sessions, connector, service }
  }
}
