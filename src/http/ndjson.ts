/** Answers that are one JSON document a line, at the reader's pace, until they end or the reader leaves. */
import { once } from 'node:events'
import type { ServerResponse } from 'node:http'
import type { FastifyReply } from 'fastify'
import { HeddleError } from '../core/errors.ts'
import { limit } from '../core/limits.ts'
import type { AppDeps } from './admin/deps.ts'
import type { ZodApp } from './zod-app.ts'

export const NDJSON = 'application/x-ndjson'

/** Aborts when the client has gone before its answer was complete. */
export function clientSignal(reply: FastifyReply): AbortSignal {
  const controller = new AbortController()
  reply.raw.once('close', () => {
    if (!reply.raw.writableFinished)
      controller.abort(new HeddleError('client_closed', 'the client left before the answer was complete'))
  })
  return controller.signal
}

/** Aborts when the app begins to close: streams without an end would hold up a node that wants to stop. */
export function closingSignal(app: ZodApp): AbortSignal {
  const controller = new AbortController()
  app.addHook('preClose', async () => {
    controller.abort(new HeddleError('draining', 'the node is stopping'))
  })
  return controller.signal
}

/**
 * Sends `lines`, whose iterator is closed whatever happens. Headers go out at once, so that a follower of quiet logs sees that it is
 * connected. A failure of the iterator cuts the connection: a reader never takes a broken stream for a whole one.
 */
export async function sendLines(
  { clock, log }: Pick<AppDeps, 'clock' | 'log'>,
  reply: FastifyReply,
  lines: AsyncIterable<object>,
  { signal }: { readonly signal: AbortSignal },
): Promise<void> {
  const response = reply.raw
  reply.header('content-type', `${NDJSON}; charset=utf-8`).header('x-accel-buffering', 'no')
  const headers = reply.getHeaders()
  reply.hijack()
  for (const [name, value] of Object.entries(headers)) if (value !== undefined) response.setHeader(name, value)
  response.writeHead(200)
  response.flushHeaders()
  try {
    for await (const line of lines) {
      if (signal.aborted) break
      if (!response.write(`${JSON.stringify(line)}\n`)) await drained({ clock }, response, { signal })
    }
    response.end()
  } catch (error) {
    response.destroy()
    if (!signal.aborted) log.warn({ requestId: reply.request.id, err: error }, 'a line stream was cut')
  }
}

async function drained(
  { clock }: Pick<AppDeps, 'clock'>,
  response: ServerResponse,
  { signal }: { readonly signal: AbortSignal },
): Promise<void> {
  const slow = new AbortController()
  using _timer = clock.after(limit('drainTimeoutMs'), () =>
    slow.abort(new HeddleError('timeout', 'the reader takes nothing')),
  )
  await once(response, 'drain', { signal: AbortSignal.any([signal, slow.signal]) })
}
