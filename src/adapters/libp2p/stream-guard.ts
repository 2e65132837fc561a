/** Keeps what one connection can make us hold within bounds that libp2p does not have. */
import type { MessageStream, Stream, StreamMuxer, StreamMuxerFactory } from '@libp2p/interface'
import { limit } from '../../core/limits.ts'
import { onEachStream } from './each-stream.ts'

/** The parts of libp2p's streams and muxers that see the bytes. They are no part of its interface, so `hooksOf` looks for each. */
interface StreamHooks {
  onData(data: Bytes): void
}
interface MuxerHooks {
  onData(data: Bytes): void
  readonly decoder: { readonly buffer: Bytes }
}
interface Bytes {
  readonly byteLength: number
}

/** libp2p's own protocols: short questions and answers, so that many bytes on one are no honest traffic. */
const CONTROL_PROTOCOL = /^(\/ipfs\/id\/|\/libp2p\/(dcutr|autonat)|\/heddle\/(autonat|kad|lan\/kad)\/|$)/

/** `inner`, each of its connections watched. */
export function guardedMuxer(inner: StreamMuxerFactory): StreamMuxerFactory {
  return {
    protocol: inner.protocol,
    createStreamMuxer: (connection) => {
      const muxer = inner.createStreamMuxer(connection)
      new StreamGuard(muxer, connection).watch()
      return muxer
    },
  }
}

/** A yamux frame may announce 4 GiB, and each stream may bring 4 MiB that nobody has read: neither gets so far. */
class StreamGuard {
  readonly #muxer: StreamMuxer
  readonly #connection: MessageStream
  /** Bytes that each open stream brought on a control protocol, or before its protocol was agreed. */
  readonly #control = new Map<Stream, number>()

  constructor(muxer: StreamMuxer, connection: MessageStream) {
    this.#muxer = muxer
    this.#connection = connection
  }

  watch(): void {
    onEachStream(this.#muxer, (stream) => this.#watchStream(stream))
    // QUIC's frames are its own business.
    if (this.#muxer.protocol !== 'quic') this.#watchFrames(muxerHooksOf(this.#muxer))
  }

  #watchFrames(hooks: MuxerHooks): void {
    const frameBytes = limit('streamWindowBytes') + limit('yamuxHeaderBytes')
    const onData = hooks.onData.bind(hooks)
    hooks.onData = (data) => {
      onData(data)
      if (hooks.decoder.buffer.byteLength > frameBytes) this.#end('a frame larger than any window')
    }
  }

  #watchStream(stream: Stream): void {
    const hooks = streamHooksOf(stream)
    const onData = hooks.onData.bind(hooks)
    hooks.onData = (data) => {
      onData(data)
      this.#count(stream, data.byteLength)
    }
    stream.addEventListener('close', () => this.#control.delete(stream))
  }

  #count(stream: Stream, bytes: number): void {
    const isControl = CONTROL_PROTOCOL.test(stream.protocol)
    if (isControl && stream.status === 'open') this.#control.set(stream, (this.#control.get(stream) ?? 0) + bytes)
    else this.#control.delete(stream)
    if (!isControl && stream.readBufferLength === 0) return
    let control = 0
    for (const held of this.#control.values()) control += held
    if (control > limit('controlUnreadBytes')) this.#end('more than a question has')
    else this.#resetLargest()
  }

  /** A paused stream may fill its window, but not all streams of a connection theirs: the one that holds most is given up. */
  #resetLargest(): void {
    const { streams } = this.#muxer
    const unread = streams.reduce((sum, { readBufferLength }) => sum + readBufferLength, 0)
    if (unread <= limit('connectionUnreadBytes')) return
    const largest = streams.reduce((most, next) => (next.readBufferLength > most.readBufferLength ? next : most))
    largest.abort(new Error('more unread bytes than a connection may bring'))
  }

  #end(why: string): void {
    const reason = new Error(`the peer sent ${why}`)
    this.#muxer.abort(reason)
    this.#connection.abort(reason)
  }
}

function muxerHooksOf(muxer: StreamMuxer): MuxerHooks {
  const hooks = muxer as unknown as Partial<MuxerHooks>
  const isKnown = typeof hooks.onData === 'function'
  if (!isKnown || typeof hooks.decoder?.buffer.byteLength !== 'number')
    throw new TypeError('this version of yamux has no hooks')
  return hooks as MuxerHooks
}

function streamHooksOf(stream: Stream): StreamHooks {
  const hooks = stream as unknown as Partial<StreamHooks>
  if (typeof hooks.onData !== 'function') throw new TypeError('this version of libp2p streams has no hooks')
  return hooks as StreamHooks
}
