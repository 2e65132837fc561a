/** `POST /v1/chat/completions`, `/v1/completions` and `/v1/embeddings`, straight on Node's HTTP: the hot path. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { HeddleError } from '../../core/errors.ts'
import type { MonotonicMs, NodeId, RequestId } from '../../core/ids.ts'
import type { Candidate, Endpoint } from '../../core/routing/candidate.ts'
import type { GatewayDeps } from '../../gateway/deps.ts'
import type { HeaderPairs, Inbound, InboundBody } from '../../gateway/inbound.ts'
import { serveRequest } from '../../gateway/request.ts'
import type { Caller } from '../../ports/admission.ts'
import { HttpReply } from './http-reply.ts'
import { readJsonBody } from './read-body.ts'
import type { SlowBodies } from './slow-bodies.ts'

export interface InferenceDeps {
  readonly gateway: GatewayDeps
  readonly slowBodies: SlowBodies
}

const ENDPOINTS: ReadonlyMap<string, Endpoint> = new Map([
  ['/v1/chat/completions', 'chat'],
  ['/v1/completions', 'completions'],
  ['/v1/embeddings', 'embeddings'],
])

/** The inference endpoint at `path`, which has no query; undefined where there is none. */
export function endpointAt(path: string): Endpoint | undefined {
  return ENDPOINTS.get(path)
}

export interface InferenceOptions {
  readonly signal: AbortSignal
  /** The one node that may answer; undefined for any. */
  readonly node: NodeId | undefined
}

/** Answers one request; never throws; resolves as `serveRequest` does. `common` headers go out with every answer; `signal` aborts when the client leaves. */
export async function serveInference(
  deps: InferenceDeps,
  endpoint: Endpoint,
  id: RequestId,
  request: IncomingMessage,
  response: ServerResponse,
  common: HeaderPairs,
  { signal, node }: InferenceOptions,
): Promise<Candidate | undefined> {
  const { clock } = deps.gateway
  const inbound = new HttpInbound(deps, endpoint, id, clock.monotonic(), request, response, node)
  return serveRequest(deps.gateway, inbound, new HttpReply({ clock }, response, common), { signal })
}

class HttpInbound implements Inbound {
  readonly id: RequestId
  readonly endpoint: Endpoint
  readonly arrivedAt: MonotonicMs
  readonly node: NodeId | undefined
  readonly #deps: InferenceDeps
  readonly #request: IncomingMessage
  readonly #response: ServerResponse

  constructor(
    deps: InferenceDeps,
    endpoint: Endpoint,
    id: RequestId,
    arrivedAt: MonotonicMs,
    request: IncomingMessage,
    response: ServerResponse,
    node: NodeId | undefined,
  ) {
    this.#deps = deps
    this.endpoint = endpoint
    this.id = id
    this.arrivedAt = arrivedAt
    this.#request = request
    this.#response = response
    this.node = node
  }

  get caller(): Caller {
    return callerOf(this.#request)
  }

  readBody(): Promise<InboundBody> {
    const type = this.#request.headers['content-type']
    if (type === undefined || !isJson(type)) return Promise.reject(notJson())
    return readJsonBody(this.#deps, this.#request, this.#response)
  }
}

export const notJson = (): HeddleError =>
  new HeddleError('unsupported_media_type', 'send the body with content-type: application/json')

/** Whether a body of this type is taken for JSON. */
export function isJson(contentType: string): boolean {
  return contentType === 'application/json' || /^application\/(?:[\w.-]+\+)?json\s*(?:;|$)/i.test(contentType)
}

/** Who asks, as far as the headers tell. */
export function callerOf(request: IncomingMessage): Caller {
  const { headers } = request
  const apiKey = headers['x-api-key'] ?? headers['api-key']
  return {
    authorization: headers.authorization,
    apiKey: typeof apiKey === 'string' ? apiKey : undefined,
    remoteAddress: request.socket.remoteAddress ?? '',
  }
}
