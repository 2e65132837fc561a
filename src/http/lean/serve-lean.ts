/** Answers a plain inference request without Node's server in between. */
import type { Socket } from 'node:net'
import type { HeddleError } from '../../core/errors.ts'
import type { MonotonicMs, RequestId } from '../../core/ids.ts'
import { errorBody, errorHeaders } from '../../core/openai/error-reply.ts'
import type { Endpoint } from '../../core/routing/candidate.ts'
import type { GatewayDeps } from '../../gateway/deps.ts'
import type { Inbound, InboundBody } from '../../gateway/inbound.ts'
import { serveRequest } from '../../gateway/request.ts'
import type { Caller } from '../../ports/admission.ts'
import type { IdSource } from '../../ports/id-source.ts'
import { echoedId } from '../echoed-id.ts'
import type { Guard } from '../guard.ts'
import { isJson, notJson } from '../openai/inference.ts'
import { parseJsonBody } from '../openai/read-body.ts'
import { LeanReply, type LeanReplyDeps } from './lean-reply.ts'
import type { LeanRequest } from './lean-request.ts'

export interface LeanDeps extends LeanReplyDeps {
  readonly gateway: GatewayDeps
  readonly ids: IdSource
  readonly guard: Guard
  readonly version: string
}

export interface LeanOptions {
  /** Aborted when the client leaves. */
  readonly signal: AbortSignal
  readonly isLast: boolean
  /** Why nothing is served now; undefined as long as the node is not stopping. */
  readonly refusal: HeddleError | undefined
}

/** Resolves when the answer is written; never rejects. */
export async function serveLean(
  deps: LeanDeps,
  request: LeanRequest,
  socket: Socket,
  { signal, isLast, refusal }: LeanOptions,
): Promise<void> {
  const { gateway, ids, guard, version } = deps
  const id = ids.requestId()
  const { path, headers } = request
  const verdict = guard({ method: 'POST', url: path, headers, localAddress: socket.localAddress })
  const own = ['x-request-id', id, 'x-heddle-version', version]
  const common = [...own, ...verdict.headers, ...echoedId(headers['x-client-request-id'])]
  const reply = new LeanReply(deps, socket, { common, isLast: isLast || refusal !== undefined })
  const refused = verdict.kind === 'refused' ? verdict.error : refusal
  if (refused !== undefined) {
    reply.whole(refused.status, errorHeaders(refused), Buffer.from(JSON.stringify(errorBody(refused))))
    return
  }
  await serveRequest(gateway, new LeanInbound(request, id, gateway.clock.monotonic(), socket), reply, { signal })
}

class LeanInbound implements Inbound {
  readonly id: RequestId
  readonly endpoint: Endpoint
  readonly caller: Caller
  readonly node = undefined
  readonly arrivedAt: MonotonicMs
  readonly #request: LeanRequest

  constructor(request: LeanRequest, id: RequestId, arrivedAt: MonotonicMs, socket: Socket) {
    const { headers } = request
    this.id = id
    this.endpoint = request.endpoint
    this.arrivedAt = arrivedAt
    this.caller = {
      authorization: headers['authorization'],
      apiKey: headers['x-api-key'] ?? headers['api-key'],
      remoteAddress: socket.remoteAddress ?? '',
    }
    this.#request = request
  }

  async readBody(): Promise<InboundBody> {
    const { headers, body } = this.#request
    const type = headers['content-type']
    if (type === undefined || !isJson(type)) throw notJson()
    return parseJsonBody(body)
  }
}
