/** Keeps the request log within its bounds. */
import { asUnixMs } from '../core/ids.ts'
import type { Clock } from '../ports/clock.ts'
import type { Logger } from '../ports/logger.ts'
import type { RequestLog } from '../ports/request-log.ts'
import type { Config } from './config.ts'

/** Not at once: a node that nobody has asked anything yet has nothing new to prune. */
const FIRST_MS = 60_000
const INTERVAL_MS = 3_600_000

export interface PruneDeps {
  readonly clock: Clock
  readonly log: Logger
  readonly requestLog: RequestLog
}

/** Prunes after a minute, and then every hour until disposed. */
export function pruneRegularly({ clock, log, requestLog }: PruneDeps, retention: Config['retention']): Disposable {
  const prune = (): void => {
    requestLog
      .prune(asUnixMs(clock.now() - retention.requestsAgeMs), retention.requestsRows)
      .catch((err: unknown) => log.warn({ err }, 'the request log could not be pruned'))
    timer = clock.after(INTERVAL_MS, prune)
  }
  let timer = clock.after(FIRST_MS, prune)
  return { [Symbol.dispose]: () => timer.cancel() }
}
