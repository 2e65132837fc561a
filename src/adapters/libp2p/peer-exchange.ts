/** Questions and answers over streams: each question has a stream of its own, and each side sends one length and that many bytes. */
import { HeddleError } from '../../core/errors.ts'
import type { NodeId } from '../../core/ids.ts'
import { limit } from '../../core/limits.ts'
import type { ByteDuplexEvents } from '../../core/mesh/byte-duplex.ts'
import type { Duplex } from '../../ports/duplex.ts'
import type { Answerer, PeerExchange } from '../../ports/gossip.ts'
import { type Libp2pPeerStreams, peerIdOf, unreachable } from './libp2p-peer-streams.ts'

interface Waiting {
  readonly signal: AbortSignal
}

export interface PeerExchangeOptions {
  /** How long one question and its answer may take, on either side; `syncTimeoutMs` unless said otherwise. */
  readonly timeoutMs?: number
}

const LENGTH_BYTES = 4
const MAX_BYTES = limit('syncMessageBytes')

/**
 * Bytes on the stream, both ways: 4 bytes of length, most significant first, at most `syncMessageBytes`; then the message.
 * The asker ends the stream when it has the answer: an end before that means that it has left.
 */
export class Libp2pPeerExchange implements PeerExchange {
  readonly #streams: Libp2pPeerStreams
  readonly #timeoutMs: number

  constructor({ streams }: { readonly streams: Libp2pPeerStreams }, { timeoutMs }: PeerExchangeOptions = {}) {
    this.#streams = streams
    this.#timeoutMs = timeoutMs ?? limit('syncTimeoutMs')
  }

  async ask(peer: NodeId, protocol: string, question: Uint8Array, { signal }: Waiting): Promise<Uint8Array> {
    signal.throwIfAborted()
    refuseLong('question', question)
    const waiting = AbortSignal.any([signal, AbortSignal.timeout(this.#timeoutMs)])
    try {
      const stream = await this.#streams.openConnected(peerIdOf(peer), protocol, { signal: waiting })
      return await exchange(stream, question, { signal: waiting })
    } catch (cause) {
      signal.throwIfAborted()
      throw unreachable(peer, cause)
    }
  }

  answer(protocol: string, answerer: Answerer): () => void {
    return this.#streams.accept(protocol, (stream) => new Answering(stream, answerer, this.#timeoutMs))
  }
}

/** Sends the question, resolves with the answer. */
function exchange(stream: Duplex, question: Uint8Array, { signal }: Waiting): Promise<Uint8Array> {
  const { promise, resolve, reject } = Promise.withResolvers<Uint8Array>()
  const onAbort = (): void => stream.abort(signal.reason)
  signal.addEventListener('abort', onAbort)
  const message = new IncomingMessage(resolve)
  stream.start({
    received: (bytes) => {
      if (message.push(bytes) === 'more') return
      if (message.state === 'refused') stream.abort(new HeddleError('payload_too_large', 'the answer is too long'))
      else stream.close()
    },
    drained: () => undefined,
    closed: (error) => reject(error ?? new HeddleError('upstream_failed', 'the answer broke off')),
  })
  stream.send([lengthOf(question), question])
  if (signal.aborted) onAbort()
  return promise.finally(() => signal.removeEventListener('abort', onAbort))
}

/** A question of a peer, from its first byte to the end of its stream. */
class Answering implements ByteDuplexEvents {
  readonly #stream: Duplex
  readonly #answerer: Answerer
  readonly #question: IncomingMessage
  readonly #asker = new AbortController()
  readonly #timer: NodeJS.Timeout

  constructor(stream: Duplex, answerer: Answerer, timeoutMs: number) {
    this.#stream = stream
    this.#answerer = answerer
    this.#question = new IncomingMessage((question) => void this.#reply(question))
    this.#timer = setTimeout(() => stream.abort(new HeddleError('timeout', 'the exchange took too long')), timeoutMs)
    this.#timer.unref()
    stream.start(this)
  }

  received(bytes: Uint8Array): void {
    if (this.#question.push(bytes) === 'refused')
      this.#stream.abort(new HeddleError('payload_too_large', 'the question is too long'))
  }

  drained(): void {}

  closed(): void {
    clearTimeout(this.#timer)
    this.#asker.abort(new HeddleError('client_closed', 'the asker has left'))
  }

  async #reply(question: Uint8Array): Promise<void> {
    try {
      const answer = await this.#answerer(this.#stream.peer, question, { signal: this.#asker.signal })
      refuseLong('answer', answer)
      // The asker ends the stream; its own time limit and ours see to that.
      this.#stream.send([lengthOf(answer), answer])
    } catch (error) {
      // All that the asker learns of a failure is that there is no answer.
      this.#stream.abort(error)
    }
  }
}

/** One message on its way in; what follows it is dropped. Nothing is reserved on the word of a length. */
class IncomingMessage {
  readonly #onWhole: (message: Uint8Array) => void
  #chunks: Uint8Array[] = []
  #bytes = 0
  #state: 'more' | 'whole' | 'refused' = 'more'

  constructor(onWhole: (message: Uint8Array) => void) {
    this.#onWhole = onWhole
  }

  get state(): 'more' | 'whole' | 'refused' {
    return this.#state
  }

  push(chunk: Uint8Array): 'more' | 'whole' | 'refused' {
    if (this.#state !== 'more') return this.#state
    this.#chunks.push(chunk)
    this.#bytes += chunk.length
    if (this.#bytes < LENGTH_BYTES) return this.#state
    const bytes = this.#chunks.length === 1 ? chunk : Buffer.concat(this.#chunks)
    const length = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0)
    if (length > MAX_BYTES) this.#state = 'refused'
    else if (bytes.length >= LENGTH_BYTES + length) this.#finish(bytes, length)
    else this.#chunks = [bytes]
    return this.#state
  }

  #finish(bytes: Uint8Array, length: number): void {
    this.#state = 'whole'
    this.#chunks = []
    this.#onWhole(Uint8Array.from(bytes.subarray(LENGTH_BYTES, LENGTH_BYTES + length)))
  }
}

function lengthOf(message: Uint8Array): Uint8Array {
  const length = new Uint8Array(LENGTH_BYTES)
  new DataView(length.buffer).setUint32(0, message.length)
  return length
}

function refuseLong(what: 'question' | 'answer', message: Uint8Array): void {
  if (message.length > MAX_BYTES)
    throw new HeddleError('payload_too_large', `the ${what} has ${message.length} bytes; ${MAX_BYTES} are allowed`)
}
