/** Sees every stream of a connection before libp2p does. */
import type { Stream, StreamMuxer } from '@libp2p/interface'

/** What yamux calls for each stream that the peer opens; no part of libp2p's interface. */
interface YamuxHooks {
  onRemoteStream(stream: Stream): void
}

/**
 * Calls `see` with each stream, from either side. A listener for the muxer's event would not do: libp2p keeps streams that come
 * before its own listener, but only while there is no other.
 */
export function onEachStream(muxer: StreamMuxer, see: (stream: Stream) => void): void {
  const createStream = muxer.createStream.bind(muxer)
  muxer.createStream = async (options) => {
    const stream = await createStream(options)
    see(stream)
    return stream
  }
  // QUIC tells of streams by the event alone, and keeps none of them.
  if (muxer.protocol === 'quic') {
    muxer.addEventListener('stream', ({ detail }) => see(detail))
    return
  }
  const hooks = muxer as unknown as Partial<YamuxHooks>
  const onRemoteStream = hooks.onRemoteStream?.bind(muxer)
  if (onRemoteStream === undefined) throw new TypeError('this version of yamux opens streams otherwise')
  hooks.onRemoteStream = (stream) => {
    see(stream)
    onRemoteStream(stream)
  }
}
