/** The sequences of one context, lent to requests: first come first served, and to whoever shares most of their cache. */
import type { LlamaContext, LlamaContextSequence, Token } from 'node-llama-cpp'
import { HeddleError } from '../../../../core/errors.ts'
import { limit } from '../../../../core/limits.ts'

/** A sequence lent to one request. */
export interface Slot extends Disposable {
  readonly sequence: LlamaContextSequence
  /** Tokens of the prompt that the sequence holds already. */
  readonly cachedTokens: number
  /** Gives the slot an empty sequence for the one that it has, whose state is no longer known. */
  readonly renew: () => Promise<void>
}

interface Waiter {
  readonly prompt: readonly Token[]
  readonly take: (slot: Slot) => void
}

/** A shorter common beginning is not worth keeping an older, longer conversation out of the cache for. */
const WORTHWHILE_TOKENS = 16

export class Slots {
  /** Least recently used first. */
  readonly #free: LlamaContextSequence[]
  readonly #waiting: Waiter[] = []
  readonly #context: LlamaContext
  /** Requests that can be worked on at once. */
  readonly total: number

  /** Takes all sequences of `context`. */
  constructor(context: LlamaContext) {
    this.#context = context
    this.total = context.sequencesLeft
    this.#free = Array.from({ length: this.total }, () => context.getSequence())
  }

  /** Waits its turn; rejects with `queue_full` when too many wait already, and leaves the queue when `signal` aborts. */
  acquire(prompt: readonly Token[], { signal }: { readonly signal: AbortSignal }): Promise<Slot> {
    signal.throwIfAborted()
    if (this.#free.length > 0) return Promise.resolve(this.#lend(prompt))
    if (this.#waiting.length >= limit('engineQueueItems')) {
      throw new HeddleError('queue_full', 'too many requests wait for this model', { retryAfterMs: 1_000 })
    }
    return new Promise((resolve, reject) => {
      const leave = (): void => {
        this.#waiting.splice(this.#waiting.indexOf(waiter), 1)
        reject(signal.reason as Error)
      }
      const waiter: Waiter = {
        prompt,
        take: (slot) => {
          signal.removeEventListener('abort', leave)
          resolve(slot)
        },
      }
      this.#waiting.push(waiter)
      signal.addEventListener('abort', leave, { once: true })
    })
  }

  #lend(prompt: readonly Token[]): Slot {
    let best = 0
    let bestShared = 0
    for (const [index, sequence] of this.#free.entries()) {
      const shared = sharedTokens(sequence, prompt)
      if (shared >= WORTHWHILE_TOKENS && shared > bestShared) {
        best = index
        bestShared = shared
      }
    }
    const [sequence] = this.#free.splice(best, 1)
    if (sequence === undefined) throw new HeddleError('internal', 'no sequence is free')
    let current = sequence
    let released = false
    return {
      sequence,
      cachedTokens: bestShared,
      renew: async () => {
        await current.dispose()
        current = this.#context.getSequence()
      },
      [Symbol.dispose]: () => {
        if (released) return
        released = true
        this.#free.push(current)
        const next = this.#waiting.shift()
        if (next !== undefined) next.take(this.#lend(next.prompt))
      },
    }
  }
}

/** How far the cache of `sequence` agrees with `prompt`; the last token is always evaluated anew, since its result is what is wanted. */
function sharedTokens(sequence: LlamaContextSequence, prompt: readonly Token[]): number {
  return Math.min(sequence.compareContextTokens(prompt as Token[]).firstDifferentIndex, prompt.length - 1)
}
