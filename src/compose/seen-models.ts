/** Models that were here before, so that "offline" can be told from "unknown". */
import type { Candidate } from '../core/routing/candidate.ts'
import type { Clock } from '../ports/clock.ts'
import type { Logger } from '../ports/logger.ts'
import type { RuntimeStore } from '../ports/runtime-store.ts'

export interface SeenModelsDeps {
  readonly store: RuntimeStore
  readonly clock: Clock
  readonly log: Logger
}

export class SeenModels {
  readonly #deps: SeenModelsDeps
  readonly #ids = new Set<string>()

  constructor(deps: SeenModelsDeps) {
    this.#deps = deps
  }

  /** Reads what earlier runs of this node saw. */
  async load(): Promise<void> {
    for (const { id } of await this.#deps.store.seenModels()) this.#ids.add(id)
  }

  ids(): ReadonlySet<string> {
    return this.#ids
  }

  /** Notes what is ready now; storing it is not waited for. */
  note(candidates: readonly Candidate[]): void {
    const { store, clock, log } = this.#deps
    const at = clock.now()
    const fresh = candidates.filter(({ state }) => state === 'ready')
    if (fresh.length === 0) return
    for (const { offer } of fresh) this.#ids.add(offer.id)
    store
      .sawModels(fresh.map(({ offer, runtime }) => ({ id: offer.id, runtime, lastSeenAt: at })))
      .catch((err: unknown) => log.warn({ err }, 'models seen could not be stored'))
  }
}
