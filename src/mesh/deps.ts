/** What the mesh needs of the rest of a node. */
import type { NodeId } from '../core/ids.ts'
import type { MessageRequest, MessageResponse } from '../core/message.ts'
import type { Clock } from '../ports/clock.ts'
import type { Logger } from '../ports/logger.ts'
import type { PeerStreams } from '../ports/peer-streams.ts'

interface Waiting {
  readonly signal: AbortSignal
}

export interface MeshDeps {
  readonly streams: PeerStreams
  readonly clock: Clock
  readonly log: Logger
  /** Runs a task when this turn of the event loop is over (`setImmediate`), so that its frames share one write. */
  readonly endOfTurn: (task: () => void) => void
  /** Where the registry says that a peer is reached. */
  readonly addressesOf: (peer: NodeId) => readonly string[]
  /** Whether the peer is a member of the network; asked before anything of it is served. */
  readonly admit: (peer: NodeId, options: Waiting) => Promise<boolean>
  /** A session with the peer broke or fell silent, whether anything ran on it or not. */
  readonly lost: (peer: NodeId, why: 'broken' | 'silent') => void
  /** Serves a request of a peer that was admitted. A HeddleError becomes an answer that says so. */
  readonly serve: (from: NodeId, request: MessageRequest, options: Waiting) => Promise<MessageResponse>
}
