/** The request log in memory, for tests: bounded like the others, written at once. */
import type { RequestId, UnixMs } from '../../core/ids.ts'
import { limit } from '../../core/limits.ts'
import type { RequestLog, RequestQuery, RequestRecord } from '../../ports/request-log.ts'

export class MemoryRequestLog implements RequestLog {
  readonly #records = new Map<RequestId, RequestRecord>()

  append(record: RequestRecord): void {
    if (this.#records.has(record.id)) return
    this.#records.set(record.id, structuredClone(record))
    if (this.#records.size <= limit('requestLogRows')) return
    const [oldest] = this.#records.keys()
    if (oldest !== undefined) this.#records.delete(oldest)
  }

  flush(): Promise<void> {
    return Promise.resolve()
  }

  find(id: RequestId): Promise<RequestRecord | undefined> {
    return Promise.resolve(this.#records.get(id))
  }

  latest({ limit: count, before, model, outcome }: RequestQuery): Promise<readonly RequestRecord[]> {
    const matching = this.#newestFirst().filter(
      (record) =>
        (before === undefined || record.at < before) &&
        (model === undefined || record.model === model) &&
        (outcome === undefined || record.outcome === outcome),
    )
    return Promise.resolve(matching.slice(0, count))
  }

  prune(olderThan: UnixMs, keep: number): Promise<number> {
    const newestFirst = this.#newestFirst()
    const tooOld = newestFirst.filter(({ at }) => at < olderThan)
    const stale = [...tooOld, ...newestFirst.filter(({ at }) => at >= olderThan).slice(Math.max(0, keep))]
    for (const { id } of stale) this.#records.delete(id)
    return Promise.resolve(stale.length)
  }

  async [Symbol.asyncDispose](): Promise<void> {}

  /** Request ids sort by age. */
  #newestFirst(): RequestRecord[] {
    return [...this.#records.values()].sort((a, b) => (a.id < b.id ? 1 : -1))
  }
}
