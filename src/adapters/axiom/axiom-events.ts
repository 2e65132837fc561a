/** Sends events to a dataset of Axiom in batches, and loses them rather than hold anybody up. */
import type { UnixMs } from '../../core/ids.ts'
import { limit } from '../../core/limits.ts'
import type { OcfEvent } from '../../core/wire/ocf-event.ts'
import type { Clock, Timer } from '../../ports/clock.ts'
import type { Logger } from '../../ports/logger.ts'
import type { Metrics } from '../../ports/metrics.ts'

export interface AxiomDeps {
  readonly clock: Clock
  readonly log: Logger
  readonly metrics: Pick<Metrics, 'eventsDropped'>
}

export interface AxiomOptions {
  /** Of the ingest API, e.g. `https://api.axiom.co`. */
  readonly url: string
  readonly dataset: string
  readonly token: string
}

interface Waiting {
  readonly event: OcfEvent
  readonly at: UnixMs
}

/** What becomes of a batch. Axiom says 4xx where sending it again cannot help. */
type Sent = 'taken' | 'refused' | 'failed'

export class AxiomEvents implements AsyncDisposable {
  readonly #deps: AxiomDeps
  readonly #ingestUrl: string
  readonly #token: string
  readonly #stopped = new AbortController()
  #queue: Waiting[] = []
  #timer: Timer | undefined
  #sending: Promise<void> | undefined
  #failures = 0

  constructor(deps: AxiomDeps, { url, dataset, token }: AxiomOptions) {
    this.#deps = deps
    this.#ingestUrl = `${url.replace(/\/+$/, '')}/v1/datasets/${encodeURIComponent(dataset)}/ingest`
    this.#token = token
  }

  /** Returns at once and never throws. */
  record(event: OcfEvent): void {
    if (this.#stopped.signal.aborted) return
    if (this.#queue.length >= limit('analyticsQueueItems')) {
      this.#deps.metrics.eventsDropped(1)
      return
    }
    this.#queue.push({ event, at: this.#deps.clock.now() })
    if (this.#sending !== undefined) return
    if (this.#queue.length >= limit('analyticsBatchItems') && this.#failures === 0) this.#send()
    else this.#timer ??= this.#deps.clock.after(this.#pauseMs(), () => this.#send())
  }

  /** One last try for what waits. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#stopped.signal.aborted) return
    this.#timer?.cancel()
    await this.#sending
    this.#timer?.cancel()
    if (this.#queue.length > 0 && this.#failures === 0) await this.#sendBatch()
    this.#stopped.abort(new Error('analytics have stopped'))
    if (this.#queue.length > 0) this.#deps.metrics.eventsDropped(this.#queue.length)
    this.#queue = []
  }

  #send(): void {
    this.#timer?.cancel()
    this.#timer = undefined
    this.#sending = this.#sendBatch().finally(() => {
      this.#sending = undefined
      if (this.#queue.length > 0 && !this.#stopped.signal.aborted)
        this.#timer = this.#deps.clock.after(this.#pauseMs(), () => this.#send())
    })
  }

  /** Never rejects. */
  async #sendBatch(): Promise<void> {
    const batch = this.#queue.slice(0, limit('analyticsBatchItems'))
    const sent = await this.#post(batch)
    if (sent === 'failed') {
      this.#failures += 1
      return
    }
    this.#queue.splice(0, batch.length)
    this.#failures = sent === 'taken' ? 0 : this.#failures + 1
    if (sent === 'refused') this.#deps.metrics.eventsDropped(batch.length)
  }

  async #post(batch: readonly Waiting[]): Promise<Sent> {
    const late = new AbortController()
    using _ = this.#deps.clock.after(limit('analyticsTimeoutMs'), () => late.abort(new Error('too slow')))
    try {
      const { request } = await import('undici')
      const { statusCode, body } = await request(this.#ingestUrl, {
        method: 'POST',
        headers: { authorization: `Bearer ${this.#token}`, 'content-type': 'application/json' },
        body: JSON.stringify(batch.map(({ event, at }) => ({ _time: new Date(at).toISOString(), ...event }))),
        signal: AbortSignal.any([late.signal, this.#stopped.signal]),
      })
      await body.dump()
      if (statusCode < 300) return 'taken'
      const isFinal = statusCode < 500 && statusCode !== 408 && statusCode !== 429
      this.#complain({ status: statusCode })
      return isFinal ? 'refused' : 'failed'
    } catch (error) {
      this.#complain({ reason: (error as NodeJS.ErrnoException).code ?? 'no answer' })
      return 'failed'
    }
  }

  /** Once for each time that it goes bad, not once a batch. The answer's text is left out: it is not ours. */
  #complain(fields: Readonly<Record<string, unknown>>): void {
    if (this.#failures === 0)
      this.#deps.log.warn(fields, 'axiom does not take events; they wait, and are dropped in the end')
  }

  #pauseMs(): number {
    const flushMs = limit('analyticsFlushMs')
    return Math.min(flushMs * 2 ** this.#failures, Math.max(flushMs, limit('analyticsRetryMaxMs')))
  }
}
