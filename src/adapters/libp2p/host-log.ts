/** libp2p's own log lines, turned into debug records of ours; its `trace` lines are dropped before they are put together. */
import type { ComponentLogger, Logger as Libp2pLogger } from '@libp2p/interface'
import type { Logger } from '../../ports/logger.ts'

/** Only the constant text and the name of an error are taken over: what libp2p formats into its lines may come from a peer. */
export function hostLog(log: Logger): ComponentLogger {
  return { forComponent: (component) => componentLog(log, component) }
}

function componentLog(log: Logger, component: string): Libp2pLogger {
  const ignore = (): void => undefined
  const error = (text: unknown, ...values: readonly unknown[]): void => {
    const cause = [text, ...values].find((value) => value instanceof Error)
    log.debug(
      { component, text: typeof text === 'string' ? text : undefined, cause: cause?.name },
      'libp2p reports an error',
    )
  }
  return Object.assign(ignore, {
    error,
    trace: ignore,
    enabled: false,
    newScope: (name: string) => componentLog(log, `${component}:${name}`),
  })
}
