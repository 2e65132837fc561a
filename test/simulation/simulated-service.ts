/** What a simulated node serves: texts that follow from the question, so that whoever asked can tell a whole answer from any other. */
import type { MemoryClock } from '../../src/adapters/memory/memory-clock.ts'
import { bodyOf } from '../../src/core/byte-channel.ts'
import { HeddleError } from '../../src/core/errors.ts'
import type { NodeId } from '../../src/core/ids.ts'
import type { MessageRequest, MessageResponse } from '../../src/core/message.ts'
import { bytesOf, textOf, wholeOf } from '../support/mesh-pair.ts'

/** A question, which also says how its answer shall go. */
export interface Question {
  readonly number: number
  readonly model: string
  readonly chunks: number
  /** Repetitions in a chunk, so that answers differ in size. */
  readonly width: number
  readonly everyMs: number
  /** `refuse`: a status that is no 2xx; `before`: fails without one; `midway`: breaks off. */
  readonly fault: 'none' | 'refuse' | 'before' | 'midway'
}

export function expectedAnswer(server: NodeId, question: Question): string {
  return Array.from({ length: question.chunks }, (_, index) => chunkOf(server, question, index)).join('')
}

export class SimulatedService {
  readonly #clock: MemoryClock
  readonly #self: NodeId
  readonly #offers: () => string | undefined
  /** Requests that are being served. */
  running = 0
  /** What must not happen, for the end of the run. */
  readonly violations: string[] = []

  /** @param offers the model on offer now; undefined while the node is down */
  constructor(clock: MemoryClock, self: NodeId, offers: () => string | undefined) {
    this.#clock = clock
    this.#self = self
    this.#offers = offers
  }

  async serve(
    from: NodeId,
    request: MessageRequest,
    { signal }: { readonly signal: AbortSignal },
  ): Promise<MessageResponse> {
    if (this.#offers() === undefined) this.violations.push(`a node that is down was asked by ${from}`)
    if (from === this.#self) this.violations.push('a node asked itself over the mesh')
    this.running += 1
    let isStreaming = false
    try {
      const question = JSON.parse(textOf(await wholeOf(request.body))) as Question
      await this.#clock.sleep(question.everyMs, { signal })
      if (question.model !== this.#offers()) throw new HeddleError('runtime_unavailable', 'the model is not here')
      if (question.fault === 'before') throw new HeddleError('upstream_failed', 'told to fail')
      if (question.fault === 'refuse') throw new HeddleError('invalid_request', 'told to refuse')
      isStreaming = true
      return { status: 200, headers: { 'content-type': 'text/plain' }, body: this.#answer(question, signal) }
    } finally {
      if (!isStreaming) this.running -= 1
    }
  }

  #answer(question: Question, signal: AbortSignal): AsyncIterableIterator<Uint8Array> {
    const events = this.#chunks(question, signal)
    let isOver = false
    const over = (): void => {
      if (!isOver) this.running -= 1
      isOver = true
    }
    // One that is given up before the first read never runs its own `finally`.
    return {
      next: () =>
        events.next().then(
          (result) => {
            if (result.done === true) over()
            return result
          },
          (error: unknown) => {
            over()
            throw error
          },
        ),
      return: () => {
        over()
        return events.return(undefined)
      },
      [Symbol.asyncIterator]() {
        return this
      },
    }
  }

  async *#chunks(question: Question, signal: AbortSignal): AsyncGenerator<Uint8Array, undefined> {
    for (let index = 0; index < question.chunks; index += 1) {
      yield* bodyOf(bytesOf(chunkOf(this.#self, question, index)))
      await this.#clock.sleep(question.everyMs, { signal })
      if (question.fault === 'midway' && 2 * index + 2 >= question.chunks)
        throw new HeddleError('upstream_interrupted', 'told to break off')
    }
    return undefined
  }
}

function chunkOf(server: NodeId, { number, model, width }: Question, index: number): string {
  return `${server.slice(-6)} ${model} ${number}.${index};`.repeat(width)
}
