/** How many sessions a node holds and what each peer may pin, so that the worst case stays within the memory set aside for it. */
import { HeddleError } from '../core/errors.ts'
import { limit } from '../core/limits.ts'

export interface SessionBounds {
  /** Sessions with all peers together. */
  readonly sessions: number
  /** Requests that each peer may have open here. */
  readonly openRequests: number
  /** Credit of each direction of a request. */
  readonly windowBytes: number
}

const MIB = 1024 * 1024

/** The most that bodies nobody reads can take; answers to this node's own requests come on top, as many as its gateway admits. */
export function worstCaseBytes({ sessions, openRequests, windowBytes }: SessionBounds): number {
  return sessions * openRequests * windowBytes
}

/**
 * The largest bounds that fit into `memoryBytes`: first there are fewer sessions, then less credit, then fewer requests.
 * @throws HeddleError `config_invalid` where even the least does not fit
 */
export function boundsWithin(memoryBytes: number): SessionBounds {
  const fitting = STEPS.find((bounds) => worstCaseBytes(bounds) <= memoryBytes)
  if (fitting !== undefined) return fitting
  throw tooMuch(STEPS.at(-1) ?? MOST, memoryBytes)
}

/** @throws HeddleError `config_invalid` where the worst case of `bounds` does not fit */
export function checkBounds(bounds: SessionBounds, memoryBytes: number): void {
  if (worstCaseBytes(bounds) > memoryBytes) throw tooMuch(bounds, memoryBytes)
}

const MOST: SessionBounds = {
  sessions: limit('meshSessions'),
  openRequests: limit('meshOpenRequests'),
  windowBytes: limit('meshWindowBytes'),
}

const FEWER: SessionBounds = { ...MOST, sessions: 2 * limit('meshLeastSessions') }
const NARROWER: SessionBounds = { ...FEWER, windowBytes: limit('meshLeastWindowBytes') }

/** A node asks few others at the same time, but may have many requests at one: so those are the last to go. */
const STEPS: readonly SessionBounds[] = [
  ...halvings(MOST, 'sessions', FEWER.sessions),
  ...halvings(FEWER, 'windowBytes', NARROWER.windowBytes),
  ...halvings(NARROWER, 'openRequests', limit('meshLeastRequests')),
  { ...NARROWER, openRequests: limit('meshLeastRequests'), sessions: limit('meshLeastSessions') },
]

function halvings(from: SessionBounds, what: keyof SessionBounds, least: number): readonly SessionBounds[] {
  const steps: SessionBounds[] = []
  for (let value = from[what]; value >= least; value = Math.floor(value / 2)) steps.push({ ...from, [what]: value })
  return steps
}

function tooMuch(bounds: SessionBounds, memoryBytes: number): HeddleError {
  const { sessions, openRequests, windowBytes } = bounds
  const needed = Math.ceil(worstCaseBytes(bounds) / MIB)
  return new HeddleError(
    'config_invalid',
    `${sessions} sessions with ${openRequests} requests of ${windowBytes} bytes each can take ${needed} MiB, and ` +
      `${Math.floor(memoryBytes / MIB)} MiB are set aside for them`,
    { fix: 'give the node more memory, or start it with --mode standalone' },
  )
}
