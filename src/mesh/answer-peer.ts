/** A peer's request handed to this node's services; what they refuse becomes an answer, so that the peer learns why. */
import { bodyOf } from '../core/byte-channel.ts'
import { type ErrorCode, HeddleError, heddleErrorOf, mayTryNextCandidate } from '../core/errors.ts'
import type { NodeId } from '../core/ids.ts'
import type { MessageRequest, MessageResponse } from '../core/message.ts'
import { errorBody, errorHeaders } from '../core/openai/error-reply.ts'
import type { MeshDeps } from './deps.ts'

/** These say that nothing was begun here. */
const NOT_BEGUN: ReadonlySet<ErrorCode> = new Set<ErrorCode>(['no_capacity', 'queue_full', 'draining'])

/** Rejects, which resets the request, where another node may do better or the peer has given it up. */
export async function answerPeer(
  { serve, log }: Pick<MeshDeps, 'serve' | 'log'>,
  from: NodeId,
  request: MessageRequest,
  { signal }: { readonly signal: AbortSignal },
): Promise<MessageResponse> {
  try {
    return await serve(from, request, { signal })
  } catch (cause) {
    signal.throwIfAborted()
    const error = heddleErrorOf(cause)
    if (NOT_BEGUN.has(error.code) || mayTryNextCandidate(error)) throw error
    log.warn(
      { peer: from, requestId: request.id, service: request.service, code: error.code },
      'request of a peer failed',
    )
    return errorResponse(error)
  }
}

/** The fix is left out: it is a command for this machine, not for the asker's. */
export function errorResponse(error: HeddleError): MessageResponse {
  const { fix: _, ...details } = error.details
  const told = new HeddleError(error.code, error.message, details)
  const pairs = errorHeaders(told)
  const headers: Record<string, string> = {}
  for (let index = 0; index + 1 < pairs.length; index += 2) headers[pairs[index] ?? ''] = pairs[index + 1] ?? ''
  return { status: told.status, headers, body: bodyOf(encoder.encode(JSON.stringify(errorBody(told)))) }
}

const encoder = new TextEncoder()
