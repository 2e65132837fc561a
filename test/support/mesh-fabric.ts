/** Several nodes with mesh sessions and connectors on a memory network and virtual time, for tests. */
import { MemoryClock } from '../../src/adapters/memory/memory-clock.ts'
import type { LinkConditions } from '../../src/adapters/memory/memory-link.ts'
import { MemoryNetwork } from '../../src/adapters/memory/memory-network.ts'
import { MemoryPeerNetwork } from '../../src/adapters/memory/memory-peer-streams.ts'
import { bodyOf } from '../../src/core/byte-channel.ts'
import { asNodeId, asRuntimeId, type NodeId } from '../../src/core/ids.ts'
import type { PeerOutcome } from '../../src/core/mesh/peer-outcome.ts'
import type { MessageRequest, MessageResponse } from '../../src/core/message.ts'
import type { RouteTarget } from '../../src/core/routing/candidate.ts'
import type { MeshDeps } from '../../src/mesh/deps.ts'
import { MeshConnector } from '../../src/mesh/mesh-connector.ts'
import { PeerSessions, type PeerSessionsOptions } from '../../src/mesh/peer-sessions.ts'
import type { PeerStreams } from '../../src/ports/peer-streams.ts'
import { answer, bytesOf, calm, readAll, requestOf, textOf, wholeOf } from './mesh-pair.ts'
import { RecordingLogger } from './recording-logger.ts'

export const GIB = 1024 ** 3

export interface FabricNodeChanges {
  readonly serve?: MeshDeps['serve']
  readonly admit?: MeshDeps['admit']
  readonly streams?: MeshDeps['streams']
  readonly options?: Partial<PeerSessionsOptions>
}

/** One node; what its connector reports is kept. */
export class FabricNode implements AsyncDisposable {
  readonly self: NodeId
  readonly streams: PeerStreams
  readonly sessions: PeerSessions
  readonly connector: MeshConnector
  readonly log = new RecordingLogger()
  readonly outcomes: (readonly [NodeId, PeerOutcome])[] = []
  /** Sessions that broke or fell silent. */
  readonly lost: (readonly [NodeId, 'broken' | 'silent'])[] = []
  /** Requests dispatched and ended. */
  dispatched = 0
  ended = 0

  constructor(fabric: Fabric, name: string, changes: FabricNodeChanges = {}) {
    const { clock, peers } = fabric
    this.self = asNodeId(name)
    this.streams = changes.streams ?? peers.open(this.self)
    this.sessions = new PeerSessions(
      {
        streams: this.streams,
        clock,
        log: this.log,
        endOfTurn: (task) => void clock.after(0, task),
        addressesOf: (peer) => [`/memory/${peer}`],
        admit: changes.admit ?? (async () => true),
        lost: (peer, why) => void this.lost.push([peer, why]),
        serve: changes.serve ?? echo,
      },
      { self: this.self, memoryBytes: 16 * GIB, ...changes.options },
    )
    this.sessions.start()
    this.connector = new MeshConnector({
      sessions: this.sessions,
      observed: (peer, outcome) => void this.outcomes.push([peer, outcome]),
      dispatched: () => {
        this.dispatched += 1
        return () => {
          this.ended += 1
        }
      },
    })
  }

  /** Sends a request and reads its whole answer. */
  async ask(peer: NodeId, text: string, signal = calm()): Promise<string> {
    const response = await this.connector.send(meshTarget(peer), requestOf('/echo', bytesOf(text)), { signal })
    return `${response.status} ${textOf(await readAll(response.body))}`
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.sessions[Symbol.asyncDispose]()
  }
}

export class Fabric {
  readonly clock = new MemoryClock()
  readonly network: MemoryNetwork
  readonly peers: MemoryPeerNetwork

  constructor({ conditions = {}, seed = 1 }: { conditions?: Partial<LinkConditions>; seed?: number } = {}) {
    this.network = new MemoryNetwork({ clock: this.clock }, { seed, conditions })
    this.peers = new MemoryPeerNetwork(this.network)
  }

  node(name: string, changes?: FabricNodeChanges): FabricNode {
    return new FabricNode(this, name, changes)
  }

  async until(condition: () => boolean, mostMs = 100_000): Promise<void> {
    for (let turns = 0; !condition(); turns += 1) {
      if (turns > mostMs) throw new Error('it never came true')
      await this.clock.advance(1)
    }
  }

  /** Lets time pass until the promise is settled. */
  async during<T>(promise: Promise<T>): Promise<T> {
    let isSettled = false
    const settle = (): void => {
      isSettled = true
    }
    promise.then(settle, settle)
    await this.until(() => isSettled)
    return promise
  }
}

export const meshTarget = (node: NodeId): RouteTarget => ({ node, connector: 'mesh', runtime: asRuntimeId('llama') })

/** Says what it was asked. */
export async function echo(from: NodeId, request: MessageRequest): Promise<MessageResponse> {
  return answer(bodyOf(bytesOf(`${from} said ${textOf(await wholeOf(request.body))}`)))
}

/** Answers in `chunks` pieces, one every `everyMs`. */
export function slowAnswer(clock: MemoryClock, chunks: number, everyMs: number): MeshDeps['serve'] {
  return async (_from, _request, { signal }) => {
    async function* body(): AsyncGenerator<Uint8Array> {
      for (let index = 0; index < chunks; index += 1) {
        await clock.sleep(everyMs, { signal })
        yield bytesOf(`${index};`)
      }
    }
    return answer(body())
  }
}
