/** Waiting for a client that reads slower than we write. */
import type { Writable } from 'node:stream'
import { HeddleError } from '../core/errors.ts'
import { limit } from '../core/limits.ts'
import type { Clock } from '../ports/clock.ts'

/** Resolves when `stream` has room again; rejects with `client_closed` when it closes or takes nothing for too long, which ends it. */
export function untilDrained({ clock }: { readonly clock: Pick<Clock, 'after'> }, stream: Writable): Promise<void> {
  return new Promise((resolve, reject) => {
    const settle = (act: () => void): void => {
      timer.cancel()
      stream.off('drain', onDrain).off('close', onClose)
      act()
    }
    const onDrain = (): void => settle(resolve)
    const onClose = (): void =>
      settle(() => reject(new HeddleError('client_closed', 'the client closed the connection')))
    const timer = clock.after(limit('drainTimeoutMs'), () => {
      settle(() => reject(new HeddleError('client_closed', 'the client took nothing for too long')))
      stream.destroy()
    })
    stream.on('drain', onDrain).on('close', onClose)
  })
}
