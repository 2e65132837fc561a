/** What ended a session or one of its requests, as codes of the wire and as errors for whoever waits. */
import { type ErrorCode, HeddleError } from '../errors.ts'
import { unreachable } from '../ids.ts'
import { GO_AWAY_CODES, type GoAwayName, RESET_CODES, type ResetName } from '../wire/frames/frame.ts'
import type { FrameRefusal } from '../wire/frames/refusal.ts'

/** Both included. */
export interface VersionRange {
  readonly least: number
  readonly most: number
}

/** Why a session is over. */
export type SessionEnd =
  /** As meant: this side closed it, or the other side left after everything was done. */
  | { readonly kind: 'closed' }
  /** The byte stream broke. */
  | { readonly kind: 'lost'; readonly cause: unknown }
  | { readonly kind: 'version'; readonly ours: VersionRange; readonly theirs: VersionRange }
  /** The peer sent what the protocol does not allow. */
  | { readonly kind: 'protocol'; readonly what: ProtocolFault }
  /** The peer sent too much of what carries nothing, or opened too many requests over its limit. */
  | { readonly kind: 'flood' }
  /** No hello, no sign of life or nothing read for too long. */
  | { readonly kind: 'silent'; readonly what: 'hello' | 'ping' | 'drain' }
  /** This side does not serve the peer. */
  | { readonly kind: 'stranger' }
  /** The peer ended the session and said why. */
  | { readonly kind: 'sent-away'; readonly why: GoAwayName }

export type ProtocolFault =
  | FrameRefusal['kind']
  | 'hello_missing'
  | 'hello_repeated'
  | 'stream_order'
  | 'stream_unknown'

/** For people; never anything that the peer wrote itself. */
export function sessionEndText(end: SessionEnd): string {
  switch (end.kind) {
    case 'closed':
      return 'the session with the peer was closed'
    case 'lost':
      return 'the connection to the peer broke'
    case 'version':
      return `the peer speaks version ${rangeText(end.theirs)} of the mesh protocol and this node ${rangeText(end.ours)}`
    case 'protocol':
      return `the peer broke the mesh protocol (${end.what})`
    case 'flood':
      return 'the peer sent a flood of frames'
    case 'silent':
      return { hello: 'the peer never said hello', ping: 'the peer fell silent', drain: 'the peer reads nothing' }[
        end.what
      ]
    case 'stranger':
      return 'this node does not serve the peer: it is no member of the network'
    case 'sent-away':
      if (end.why === 'stranger') return 'the peer does not serve this node: it is no member of the peer’s network'
      return `the peer ended the session (${end.why})`
    default:
      return unreachable(end)
  }
}

const rangeText = ({ least, most }: VersionRange): string => (least === most ? `${least}` : `${least} to ${most}`)

/** What to tell the peer when this side ends the session so. */
export function goAwayNameOf(end: SessionEnd): GoAwayName {
  switch (end.kind) {
    case 'version':
    case 'protocol':
    case 'flood':
    case 'silent':
    case 'stranger':
      return end.kind
    default:
      return 'draining'
  }
}

/** Why a request on a session failed, with what its sender must know to try it again. */
export class MeshError extends HeddleError {
  /** Whether the peer may have begun the request; one that it surely has not may be sent again. */
  readonly mayHaveBegun: boolean
  /** Set where the end of the session ended the request: the peer said nothing of the request itself. */
  readonly end: SessionEnd | undefined

  constructor(
    code: ErrorCode,
    message: string,
    { mayHaveBegun, end }: { readonly mayHaveBegun: boolean; readonly end?: SessionEnd },
  ) {
    super(code, message, end !== undefined && 'cause' in end ? { cause: end.cause } : {})
    this.mayHaveBegun = mayHaveBegun
    this.end = end
  }
}

/** The error of a request whose session is over; `upstream_interrupted` where its answer had begun. */
export function sessionError(
  code: 'upstream_failed' | 'upstream_interrupted',
  end: SessionEnd,
  { mayHaveBegun }: { readonly mayHaveBegun: boolean },
): MeshError {
  return new MeshError(code, sessionEndText(end), { mayHaveBegun, end })
}

/** The error of a request that the session does not take: it is over, or leaves, or enough requests are open. */
export function notTakenError(end: SessionEnd | undefined): MeshError {
  if (end !== undefined) return sessionError('upstream_failed', end, { mayHaveBegun: false })
  return new MeshError('upstream_failed', 'the peer takes no more requests now', { mayHaveBegun: false })
}

const GO_AWAY_NAMES = namesOf(GO_AWAY_CODES)
const RESET_NAMES = namesOf(RESET_CODES)

export const goAwayNameOfCode = (code: number): GoAwayName => GO_AWAY_NAMES.get(code) ?? 'protocol'
export const resetNameOfCode = (code: number): ResetName => RESET_NAMES.get(code) ?? 'failed'

/** The error of a request that the peer reset before its answer began. */
export function resetError(name: ResetName): MeshError {
  const [code, message] = RESET_ERRORS[name]
  return new MeshError(code, message, { mayHaveBegun: name !== 'refused' })
}

/** The error of an answer that the peer reset after it began. */
export function interruptedError(name: ResetName): MeshError {
  return new MeshError('upstream_interrupted', `the peer broke off its answer (${name})`, { mayHaveBegun: true })
}

const RESET_ERRORS: Readonly<Record<ResetName, readonly [ErrorCode, string]>> = {
  done: ['upstream_failed', 'the peer ended the request without an answer'],
  cancel: ['upstream_failed', 'the peer gave the request up'],
  refused: ['upstream_failed', 'the peer takes no more requests now'],
  failed: ['upstream_failed', 'the peer failed to answer'],
  unavailable: ['runtime_unavailable', 'the runtime at the peer is not available'],
  loading: ['model_loading', 'the peer is loading the model'],
  timeout: ['timeout', 'the peer waited too long for its runtime'],
  credit: ['upstream_failed', 'the peer says that it was sent more than its credit'],
  malformed: ['upstream_failed', 'the peer does not accept the form of the request'],
  stalled: ['upstream_failed', 'the peer says that its answer was not read'],
}

/** How the failure of a provider is told to the side that asked. */
export function resetNameOf(error: unknown): ResetName {
  switch (error instanceof HeddleError ? error.code : undefined) {
    case 'runtime_unavailable':
      return 'unavailable'
    case 'model_loading':
      return 'loading'
    case 'timeout':
      return 'timeout'
    case 'no_capacity':
    case 'queue_full':
    case 'draining':
      return 'refused'
    default:
      return 'failed'
  }
}

function namesOf<Name extends string>(codes: Readonly<Record<Name, number>>): ReadonlyMap<number, Name> {
  return new Map((Object.keys(codes) as Name[]).map((name) => [codes[name], name]))
}
