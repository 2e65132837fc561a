/** yamux with fewer and larger writes: a frame leaves in one piece, and credit is given back by the half window. */
import type { MessageStream, Stream, StreamMuxerFactory } from '@libp2p/interface'
import { onEachStream } from './each-stream.ts'

/** The parts of yamux's streams that give credit. They are no part of libp2p's interface, so `creditOf` looks for each. */
interface StreamCredit {
  readonly state: number
  readonly recvWindow: number
  readonly recvWindowCapacity: number
  sendWindowUpdate(): void
}

/** yamux's `StreamState.Established`: in any other state its window updates carry news besides credit. */
const ESTABLISHED = 3
/** A larger frame leaves as its header and its bytes: copying it would cost more than a record of its own. */
const JOINED_BYTES = 4 * 1024

/**
 * `inner` as it is, except for two habits, each of which costs a TLS record and a system call for every message of a stream:
 * it writes the 12 bytes of a frame's header apart from the frame, and answers every message with a window update.
 */
export function leanMuxer(inner: StreamMuxerFactory): StreamMuxerFactory {
  return {
    protocol: inner.protocol,
    createStreamMuxer: (connection) => {
      joinFrames(connection)
      const muxer = inner.createStreamMuxer(connection)
      onEachStream(muxer, spareUpdatesOf)
      return muxer
    },
  }
}

function joinFrames(connection: MessageStream): void {
  const send = connection.send.bind(connection)
  connection.send = (data) =>
    send(data instanceof Uint8Array || data.byteLength > JOINED_BYTES ? data : data.subarray())
}

function spareUpdatesOf(stream: Stream): void {
  const credit = creditOf(stream)
  const sendWindowUpdate = credit.sendWindowUpdate.bind(credit)
  credit.sendWindowUpdate = () => {
    if (credit.state !== ESTABLISHED || credit.recvWindowCapacity * 2 <= credit.recvWindow) sendWindowUpdate()
  }
}

function creditOf(stream: Stream): StreamCredit {
  const { state, recvWindow, recvWindowCapacity, sendWindowUpdate } = stream as unknown as Partial<StreamCredit>
  const isKnown = [state, recvWindow, recvWindowCapacity].every((value) => typeof value === 'number')
  if (!isKnown || typeof sendWindowUpdate !== 'function')
    throw new TypeError('this version of yamux gives credit otherwise')
  return stream as unknown as StreamCredit
}
