/** One HTTP exchange with a runtime: the hot path of every request that leaves this process. */
import { HeddleError } from '../../core/errors.ts'
import { limit } from '../../core/limits.ts'
import type { MessageBody, MessageRequest, MessageResponse } from '../../core/message.ts'
import { Http1Pool } from './http1/pool.ts'
import { UndiciUpstream } from './undici-upstream.ts'
import type { ExchangeOptions, Upstream } from './upstream.ts'

/**
 * Sends `request` and resolves with the head of the answer, whatever its status; redirects are answers like any other.
 * Rejects with `runtime_unavailable` where no connection came about, `timeout` where no head came in time and `upstream_failed`
 * where the connection broke before it; a cut after the head makes the body throw `upstream_interrupted`.
 * Aborting `signal` closes the socket at once and rejects the promise, or the body, with the signal's reason.
 */
export function exchange(
  { dispatcher }: { readonly dispatcher: Upstream },
  request: MessageRequest,
  options: ExchangeOptions,
): Promise<MessageResponse> {
  if (options.signal.aborted) {
    options.onEnd?.(undefined)
    return Promise.reject(options.signal.reason as Error)
  }
  return dispatcher.exchange(request, options)
}

/** Where a pool connects to: an origin, or a Unix socket or named pipe. */
export type UpstreamTarget = string | { readonly socketPath: string }

export interface UpstreamPoolOptions {
  /** Sockets at most; `LIMITS.upstreamConnections` by default. */
  readonly connections?: number | undefined
}

/** A keep-alive pool for one runtime: one request a socket at a time. Whoever makes it destroys it. */
export function upstreamPool(target: UpstreamTarget, options: UpstreamPoolOptions = {}): Upstream {
  const connections = Math.min(options.connections ?? limit('upstreamConnections'), limit('upstreamConnections'))
  if (typeof target !== 'string')
    return new Http1Pool({ origin: 'http://localhost', socketPath: target.socketPath, connections })
  if (target.startsWith('https:')) return new UndiciUpstream({ origin: target, connections })
  return new Http1Pool({ origin: target, connections })
}

/** A whole body of at most `maxBytes`; throws `upstream_failed` beyond that. */
export async function readWhole(body: MessageBody, maxBytes: number): Promise<Buffer> {
  const chunks: Uint8Array[] = []
  let sizeBytes = 0
  for await (const chunk of body) {
    sizeBytes += chunk.length
    if (sizeBytes > maxBytes)
      throw new HeddleError('upstream_failed', `the runtime answered more than ${maxBytes} bytes`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks, sizeBytes)
}
