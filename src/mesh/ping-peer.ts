/** A sign of life of a peer over the mesh, dialling it where need be: for `heddle ping` and for probes. */
import { HeddleError } from '../core/errors.ts'
import type { NodeId } from '../core/ids.ts'
import { limit } from '../core/limits.ts'
import type { Clock } from '../ports/clock.ts'
import type { PeerPath } from '../ports/peer-streams.ts'
import type { PeerSession } from './peer-session.ts'
import type { PeerSessions } from './peer-sessions.ts'

export interface PeerPing {
  readonly path: PeerPath
  /** There and back. */
  readonly rttMs: number
  /** Of the mesh protocol. */
  readonly version: number
  /** Whether a session was made for it. */
  readonly isNew: boolean
}

export interface PingDeps {
  readonly sessions: Pick<PeerSessions, 'current' | 'probe' | 'doubt'>
  readonly clock: Clock
}

/**
 * A session that gives no answer in `meshPongMs` is used no more, and another is tried once.
 * @throws HeddleError `peer_unreachable` or `upstream_failed`, with the reason
 */
export async function pingPeer(
  { sessions, clock }: PingDeps,
  peer: NodeId,
  { signal }: { readonly signal: AbortSignal },
): Promise<PeerPing> {
  const known = sessions.current(peer)
  if (known !== undefined) {
    try {
      return { ...(await pong(clock, known, { signal })), isNew: false }
    } catch {
      signal.throwIfAborted()
      sessions.doubt(known)
    }
  }
  const session = await sessions.probe(peer, { signal })
  return { ...(await pong(clock, session, { signal })), isNew: true }
}

async function pong(
  clock: Clock,
  { mesh, path }: PeerSession,
  { signal }: { readonly signal: AbortSignal },
): Promise<Omit<PeerPing, 'isNew'>> {
  const late = new AbortController()
  using _ = clock.after(limit('meshPongMs'), () =>
    late.abort(new HeddleError('timeout', 'the peer does not answer a ping')),
  )
  const rttMs = await mesh.ping({ signal: AbortSignal.any([signal, late.signal]) })
  return { path, rttMs, version: mesh.version ?? 0 }
}
