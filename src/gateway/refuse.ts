/** Tells the client of a failure: as a status while that is possible, as one event of the stream afterwards. */

import { HeddleError, heddleErrorOf } from '../core/errors.ts'
import { errorBody, errorHeaders } from '../core/openai/error-reply.ts'
import type { GatewayDeps } from './deps.ts'
import type { Reply } from './inbound.ts'
import type { RequestStory } from './story.ts'

/** `error` is what was thrown, for the log's cause; the client sees `story.failure`. */
export function refuse({ log }: Pick<GatewayDeps, 'log'>, story: RequestStory, reply: Reply, error: unknown): void {
  const failure = story.failure ?? heddleErrorOf(error)
  if (failure.code === 'internal')
    log.error({ requestId: story.inbound.id, err: failure.details.cause }, 'request failed inside heddle')
  if (failure.code === 'client_closed') {
    story.status = failure.status
    return
  }
  if (!reply.started) {
    story.status = failure.status
    const headers = [...errorHeaders(failure), ...(story.admitted?.headers ?? [])]
    reply.whole(failure.status, headers, Buffer.from(JSON.stringify(errorBody(failure))))
    return
  }
  // The status is out: one error event, and no [DONE], so that no client takes the answer for whole.
  const told = failure.code === 'internal' ? failure : interruptedOf(failure)
  reply.end(Buffer.from(`data: ${JSON.stringify(errorBody(told))}\n\n`))
}

/** After the first byte every failure of the answer is an interruption, whatever it would have been before. */
function interruptedOf(failure: HeddleError): HeddleError {
  if (failure.code === 'upstream_interrupted') return failure
  return new HeddleError('upstream_interrupted', failure.message, {
    cause: failure,
    metadata: failure.details.metadata,
  })
}
