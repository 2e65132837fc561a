/** The frames of `/heddle/mesh/1` as values; docs/PROTOCOL.md has their bytes. */
import type { MessageHeaders } from '../../message.ts'

/**
 * Every frame begins with 8 bytes, numbers big-endian:
 *
 *     0  type    u8
 *     1  flags   u8
 *     2  length  u16   bytes of payload that follow
 *     4  stream  u32   the request it belongs to; 0 for the session itself
 */
export const FRAME_HEADER_BYTES = 8
/** What the length field can say. */
export const MAX_PAYLOAD_BYTES = 0xffff
/** Nothing follows in this direction of the request; on open, head and body. Other flags are ignored. */
export const FLAG_LAST = 0x01

export const FRAME_TYPES = {
  hello: 0x01,
  open: 0x02,
  head: 0x03,
  body: 0x04,
  end: 0x05,
  reset: 0x06,
  window: 0x07,
  ping: 0x08,
  pong: 0x09,
  goAway: 0x0a,
} as const

/** `heddle`, so that a stream of something else is told apart at once. */
export const HELLO_MAGIC = [0x68, 0x65, 0x64, 0x64, 0x6c, 0x65] as const
/** The magic, least u16, most u16, features u32, window u32, requests u32. */
export const HELLO_BYTES = HELLO_MAGIC.length + 16

/** Why one request ends before its end. Receivers take a number they do not know for `failed`. */
export const RESET_CODES = {
  /** The answer is complete and the rest of the request is not wanted; no failure. */
  done: 0,
  /** The side that asked no longer wants the answer. */
  cancel: 1,
  /** The request was not begun, so it may be sent again, here or elsewhere. */
  refused: 2,
  failed: 3,
  unavailable: 4,
  loading: 5,
  timeout: 6,
  /** The other side sent more than its credit. */
  credit: 7,
  /** A field of the open or head frame breaks the rules of its contents. */
  malformed: 8,
  /** Nothing was read of the answer for too long. */
  stalled: 9,
} as const
export type ResetName = keyof typeof RESET_CODES

/** Why a session ends. Receivers take a number they do not know for `protocol`. */
export const GO_AWAY_CODES = {
  /** What runs may finish; nothing new is taken. */
  draining: 0,
  protocol: 1,
  version: 2,
  flood: 3,
  /** The other side gave no sign of life, or read nothing, for too long. */
  silent: 4,
  /** This side does not serve the other: it is no member of its network. */
  stranger: 5,
} as const
export type GoAwayName = keyof typeof GO_AWAY_CODES

/** Says what one side speaks and takes; the first frame of each direction, once. */
export interface HelloFrame {
  readonly kind: 'hello'
  /** Versions of the protocol that this side speaks, both included. */
  readonly least: number
  readonly most: number
  /** One bit for each optional feature; none is defined yet. */
  readonly features: number
  /** Credit in bytes that the other side has at the beginning of each direction of a request. */
  readonly windowBytes: number
  /** Requests that the other side may have open here at once. */
  readonly openRequests: number
}

export interface OpenFrame {
  readonly kind: 'open'
  readonly stream: number
  /** The request has no body. */
  readonly isLast: boolean
  readonly id: string
  readonly service: string
  readonly method: string
  readonly path: string
  readonly headers: MessageHeaders
}

export interface HeadFrame {
  readonly kind: 'head'
  readonly stream: number
  /** The answer has no body. */
  readonly isLast: boolean
  readonly status: number
  readonly headers: MessageHeaders
}

export interface BodyFrame {
  readonly kind: 'body'
  readonly stream: number
  readonly isLast: boolean
  readonly bytes: Uint8Array
}

export interface EndFrame {
  readonly kind: 'end'
  readonly stream: number
}

export interface ResetFrame {
  readonly kind: 'reset'
  readonly stream: number
  readonly code: number
}

export interface WindowFrame {
  readonly kind: 'window'
  readonly stream: number
  /** Bytes that may be sent on top of what was allowed before. */
  readonly credit: number
}

export interface PingFrame {
  readonly kind: 'ping' | 'pong'
  /** Grows with every ping of one side; a pong returns the newest one seen. */
  readonly token: number
}

export interface GoAwayFrame {
  readonly kind: 'goAway'
  readonly code: number
  /** The newest request of the receiver that was taken; later ones were not begun. */
  readonly lastStream: number
}

export type Frame =
  | HelloFrame
  | OpenFrame
  | HeadFrame
  | BodyFrame
  | EndFrame
  | ResetFrame
  | WindowFrame
  | PingFrame
  | GoAwayFrame
