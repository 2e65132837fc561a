/** What a session is given. */
import type { ByteDuplex } from './byte-duplex.ts'
import type { CancelSignal } from './cancel-signal.ts'
import type { IntakeDeps } from './intake.ts'
import type { SessionEnd, VersionRange } from './session-error.ts'

/** The part of the Clock port that a session uses. */
export interface SessionClock {
  monotonic(): number
  after(delayMs: number, task: () => void): { cancel(): void }
}

export interface MeshSessionDeps<Signal extends CancelSignal> extends IntakeDeps<Signal> {
  readonly duplex: ByteDuplex
  readonly clock: SessionClock
  /** Runs `task` when the frames of this turn are together: `setImmediate` on TCP, at once on QUIC. */
  readonly schedule: (task: () => void) => void
  /** Called once, after every open request was told. */
  readonly onEnd: (end: SessionEnd) => void
}

export interface MeshSessionOptions {
  /** The side that dialled numbers its requests 1, 3, 5, …; the other 2, 4, 6, … */
  readonly side: 'dialler' | 'listener'
  /** Versions of the protocol to speak: all that this code knows, unless said otherwise. */
  readonly versions?: VersionRange
  /** Credit given for each direction of a request; `meshWindowBytes` unless said otherwise. */
  readonly windowBytes?: number
  /** Requests of the peer served at once; `meshOpenRequests` unless said otherwise. */
  readonly openRequests?: number
}

/** The name of the protocol: a stream of it carries one session. */
export const MESH_PROTOCOL = '/heddle/mesh/1'
/** Versions of the protocol that this code speaks. */
export const MESH_VERSIONS: VersionRange = { least: 1, most: 1 }

/** The newest version that both sides speak. */
export function commonVersion(ours: VersionRange, theirs: VersionRange): number | undefined {
  const version = Math.min(ours.most, theirs.most)
  return version < ours.least || version < theirs.least ? undefined : version
}
