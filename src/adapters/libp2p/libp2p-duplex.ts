/** One stream of libp2p as a Duplex. */
import type { Stream, StreamCloseEvent, StreamMessageEvent } from '@libp2p/interface'
import { HeddleError } from '../../core/errors.ts'
import type { NodeId } from '../../core/ids.ts'
import { limit } from '../../core/limits.ts'
import type { ByteDuplexEvents } from '../../core/mesh/byte-duplex.ts'
import type { Duplex } from '../../ports/duplex.ts'

/** libp2p's list of arrays, which it sends and receives as one. */
type ByteList = Exclude<Parameters<Stream['send']>[0], Uint8Array>

const HIGH_WATER_BYTES = limit('streamUnsentBytes')

/**
 * Back-pressure is the length of libp2p's own write buffer, looked at after each of its `drain` events: its `onDrain` promise stays
 * resolved after the first time and holds nobody back. The stream is never paused, so that its read buffer stays empty.
 */
export class Libp2pDuplex implements Duplex {
  readonly peer: NodeId
  readonly #stream: Stream
  #events: ByteDuplexEvents | undefined
  /** `ending`: closed or aborted by this side, which has not been told of it yet. */
  #state: 'open' | 'ending' | 'closed' = 'open'
  #isFull = false
  /** Empty; the model of those that are sent, taken from the first that came. */
  #noBytes: ByteList | undefined
  #hasPeerEnded: boolean
  /** How the stream ended, before anybody was told. */
  #end: { readonly error: unknown } | undefined
  #abortedWith: { readonly error: unknown } | undefined

  constructor(stream: Stream, peer: NodeId) {
    this.#stream = stream
    this.peer = peer
    this.#hasPeerEnded = stream.status === 'open' && stream.remoteWriteStatus === 'closed'
    stream.addEventListener('remoteCloseWrite', this.#onPeerEnd)
    stream.addEventListener('end', this.#onEverythingRead)
    stream.addEventListener('close', this.#onClose)
    stream.addEventListener('drain', this.#onDrain)
    if (stream.status !== 'open') this.#end = { error: lost(undefined) }
  }

  start(events: ByteDuplexEvents): void {
    this.#events = events
    if (this.#end !== undefined) return queueMicrotask(this.#tellEnd)
    // What came before is told from a microtask that this call begins.
    this.#stream.addEventListener('message', this.#onMessage)
    if (this.#stream.readableEnded) this.#onEverythingRead()
  }

  send(chunks: readonly Uint8Array[]): boolean {
    if (this.#state !== 'open') return false
    try {
      if (chunks.length > 0) this.#stream.send(this.#together(chunks))
    } catch {
      // The stream ended by itself; its close event tells of that.
      return false
    }
    this.#isFull = this.#stream.writeBufferLength >= HIGH_WATER_BYTES
    return !this.#isFull
  }

  close(): void {
    if (this.#state !== 'open') return
    this.#state = 'ending'
    this.#closeStream()
  }

  abort(error: unknown): void {
    if (this.#state === 'closed' || this.#abortedWith !== undefined) return
    this.#state = 'ending'
    this.#abortedWith = { error }
    this.#stream.abort(error instanceof Error ? error : new Error('aborted', { cause: error }))
  }

  #closeStream(): void {
    this.#stream.close().catch((error: Error) => this.#stream.abort(error))
  }

  /** One piece, so that it travels in one frame; a list costs no copy. */
  #together(chunks: readonly Uint8Array[]): Uint8Array | ByteList {
    const [first] = chunks
    if (first !== undefined && chunks.length === 1) return first
    if (this.#noBytes === undefined) return joined(chunks)
    const list = this.#noBytes.sublist()
    list.append(...chunks)
    return list
  }

  readonly #onMessage = ({ data }: StreamMessageEvent): void => {
    const events = this.#events
    if (events === undefined) return
    if (data instanceof Uint8Array) {
      if (this.#state !== 'closed' && this.#end === undefined) events.received(data)
      return
    }
    this.#noBytes ??= data.sublist(0, 0)
    for (const chunk of data) if (this.#state !== 'closed' && this.#end === undefined) events.received(chunk)
  }

  readonly #onPeerEnd = (): void => {
    this.#hasPeerEnded = true
  }

  /** The peer sent its last byte and this side has it: there is no half-open stream. */
  readonly #onEverythingRead = (): void => {
    if (this.#state !== 'open' || this.#stream.status !== 'open') return
    this.#state = 'ending'
    this.#closeStream()
  }

  /** libp2p goes on sending in a microtask that it began just before this event. */
  readonly #onDrain = (): void => {
    if (this.#isFull) queueMicrotask(this.#tellDrained)
  }

  readonly #tellDrained = (): void => {
    if (!this.#isFull || this.#state !== 'open' || this.#stream.writeBufferLength * 2 > HIGH_WATER_BYTES) return
    this.#isFull = false
    this.#events?.drained()
  }

  readonly #onClose = ({ error }: StreamCloseEvent): void => {
    if (this.#end !== undefined) return
    this.#end = this.#abortedWith ?? { error: this.#errorOf(error) }
    queueMicrotask(this.#tellEnd)
  }

  readonly #tellEnd = (): void => {
    if (this.#end === undefined || this.#events === undefined || this.#state === 'closed') return
    this.#state = 'closed'
    this.#events.closed(this.#end.error)
  }

  /** Undefined where both sides ended as they meant to; a connection that closes tells its streams of no error. */
  #errorOf(error: Error | undefined): HeddleError | undefined {
    if (error === undefined && (this.#hasPeerEnded || this.#state === 'ending')) return undefined
    return lost(error)
  }
}

function lost(cause: Error | undefined): HeddleError {
  return new HeddleError('upstream_failed', 'the stream to the peer broke', { cause })
}

function joined(chunks: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(chunks.reduce((sum, chunk) => sum + chunk.length, 0))
  let at = 0
  for (const chunk of chunks) {
    whole.set(chunk, at)
    at += chunk.length
  }
  return whole
}
