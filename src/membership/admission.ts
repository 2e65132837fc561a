/** Finds out whether a connected peer belongs to the network before anything is done for it. */
import type { NodeId } from '../core/ids.ts'
import { limit } from '../core/limits.ts'
import type { MembershipDeps } from './deps.ts'
import { TokenBuckets } from './token-buckets.ts'

export interface AdmissionSources {
  /** Whether the registry lists the peer: its record was checked and nothing speaks against it. */
  readonly isListed: (peer: NodeId) => boolean
  /** Compares registries with the peer; whether that came to an end. */
  readonly compare: (peer: NodeId) => Promise<boolean>
}

export class Admission {
  readonly #deps: Pick<MembershipDeps, 'clock'>
  readonly #sources: AdmissionSources
  /** A peer that opens many requests at once is looked up once. */
  readonly #waiting = new Map<NodeId, Promise<boolean>>()
  /** A stranger that asks again and again is compared with only so often. */
  readonly #searches = new TokenBuckets({ perSecond: 1, burst: 3, most: limit('admissionsAtOnce') })
  readonly #stopped = new AbortController()

  constructor(deps: Pick<MembershipDeps, 'clock'>, sources: AdmissionSources) {
    this.#deps = deps
    this.#sources = sources
  }

  /** Rejects with the signal's reason when that aborts; the search goes on for others who wait. */
  async admit(peer: NodeId, { signal }: { readonly signal: AbortSignal }): Promise<boolean> {
    signal.throwIfAborted()
    if (this.#sources.isListed(peer)) return true
    const running = this.#waiting.get(peer)
    if (running === undefined) {
      if (this.#waiting.size >= limit('admissionsAtOnce')) return false
      if (!this.#searches.take(peer, this.#deps.clock.monotonic())) return false
    }
    const search = running ?? this.#search(peer)
    this.#waiting.set(peer, search)
    return await untilAborted(search, signal)
  }

  stop(): void {
    this.#stopped.abort(new Error('membership has stopped'))
  }

  async #search(peer: NodeId): Promise<boolean> {
    const { clock } = this.#deps
    const { isListed, compare } = this.#sources
    const endsAt = clock.monotonic() + limit('admissionWaitMs')
    const late = new AbortController()
    using _ = clock.after(limit('admissionWaitMs'), () => late.abort(new Error('no record in time')))
    const signal = AbortSignal.any([late.signal, this.#stopped.signal])
    try {
      while (!isListed(peer)) {
        // A peer always gives its own record: after a comparison that came to an end, no more is to be had from it.
        const isDone = await untilAborted(compare(peer), signal)
        if (isListed(peer)) return true
        if (isDone || clock.monotonic() >= endsAt) return false
        await clock.sleep(limit('admissionPauseMs'), { signal })
      }
      return true
    } catch (error) {
      if (signal.aborted) return isListed(peer)
      throw error
    } finally {
      this.#waiting.delete(peer)
    }
  }
}

async function untilAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>()
  const onAbort = (): void => reject(signal.reason)
  signal.addEventListener('abort', onAbort, { once: true })
  if (signal.aborted) onAbort()
  try {
    return await Promise.race([work, promise])
  } finally {
    signal.removeEventListener('abort', onAbort)
  }
}
