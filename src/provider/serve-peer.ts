/** A request of another node, served here or refused: only services of this node's record, only paths that stay inside them. */
import { type ErrorCode, HeddleError, heddleErrorOf, mayTryNextCandidate } from '../core/errors.ts'
import { asRuntimeId, type NodeId } from '../core/ids.ts'
import { limit } from '../core/limits.ts'
import { HOPS_HEADER, MOST_HOPS, RUNTIME_HEADER } from '../core/mesh/peer-headers.ts'
import type { MessageHeaders, MessageRequest, MessageResponse } from '../core/message.ts'
import { headersForService } from '../core/routing/service-headers.ts'
import { parseServicePath } from '../core/routing/service-path.ts'
import type { Connector, SendOptions } from '../ports/connector.ts'
import type { Logger } from '../ports/logger.ts'
import { chooseRuntime } from './choose-runtime.ts'
import { LLM } from './local-connector.ts'
import type { LocalProvider } from './local-provider.ts'
import type { LocalServices } from './local-services.ts'
import { errorAnswer } from './model-list.ts'
import type { PublicRuntimeNames } from './public-runtime-names.ts'

export interface ServePeerDeps {
  readonly provider: LocalProvider
  readonly services: LocalServices
  readonly names: PublicRuntimeNames
  /** The `local` one. */
  readonly connector: Connector
  /** This node. */
  readonly node: NodeId
  readonly log: Logger
}

/** Neither opens a tunnel nor tells what a proxy added. */
const METHODS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'])
/** What `heddle-runtime` names where the sender leaves the choice to us. */
const ANY = 'any'

/**
 * Resolves with the answer of the service, or with our own to a request that is wrong (404 `not_found`, 400, …).
 * Rejects where another node may do better: `runtime_unavailable`, `model_loading`, `upstream_failed`, `timeout`.
 * The caller has checked that `from` may ask at all.
 */
export async function servePeer(
  deps: ServePeerDeps,
  from: NodeId,
  request: MessageRequest,
  { signal }: SendOptions,
): Promise<MessageResponse> {
  try {
    const wanted = check(request)
    const message = { ...request, headers: headersForService(request.headers) }
    if (request.service === LLM) return await serveModels(deps, message, wanted, { signal })
    const runtime = asRuntimeId(chooseInstance(deps, request.service, wanted))
    return await deps.connector.send({ node: deps.node, connector: 'local', runtime }, message, { signal })
  } catch (error) {
    signal.throwIfAborted() // the peer left
    const failure = heddleErrorOf(error)
    if (mayTryNextCandidate(failure)) throw toldToPeers(failure)
    deps.log.debug({ requestId: request.id, peer: from, code: failure.code }, 'a request of a peer was refused')
    if (failure.code === 'internal')
      deps.log.error({ requestId: request.id, peer: from, err: failure.details.cause }, 'serving a peer failed')
    return errorAnswer(failure)
  }
}

/** What failed, without the reason: that may hold an address of the inner network. */
function toldToPeers(failure: HeddleError): HeddleError {
  const { retryAfterMs } = failure.details
  return new HeddleError(failure.code, TOLD[failure.code] ?? 'the service failed to answer', {
    cause: failure,
    retryAfterMs,
  })
}

const TOLD: Partial<Record<ErrorCode, string>> = {
  runtime_unavailable: 'the service is not available at its node',
  model_loading: 'the model is being loaded',
  timeout: 'the service did not answer in time',
}

/** The instance that the peer wants; throws what is wrong with the request before anything is looked up. */
function check({ method, path, headers }: MessageRequest): string | undefined {
  if (!METHODS.has(method)) throw new HeddleError('method_not_allowed', `${method.slice(0, 16)} does not travel`)
  const parsed = parseServicePath(path)
  if (parsed.kind === 'refused') throw new HeddleError('invalid_request', `the path is refused: ${parsed.reason}`)
  const hops = headers[HOPS_HEADER]
  if (hops !== undefined && !(/^\d{1,3}$/.test(hops) && Number(hops) <= MOST_HOPS))
    throw new HeddleError('invalid_request', `a request goes through ${MOST_HOPS} node at most`)
  const wanted = headers[RUNTIME_HEADER]
  return wanted === undefined || wanted === ANY ? undefined : wanted
}

async function serveModels(
  { provider, names, connector, node }: ServePeerDeps,
  message: MessageRequest,
  wanted: string | undefined,
  { signal }: SendOptions,
): Promise<MessageResponse> {
  const target = (runtime: string) => ({ node, connector: 'local' as const, runtime: asRuntimeId(runtime) })
  if (message.method !== 'POST') return connector.send(target(ANY), message, { signal })
  const named = wanted === undefined ? undefined : names.runtimeOf(wanted)
  if (wanted !== undefined && named === undefined) throw gone(message.service)
  const body = await wholeBody(message.body, message.headers)
  signal.throwIfAborted()
  const runtime = chooseRuntime(provider, message.path, body, named)
  return connector.send(target(runtime), { ...message, body }, { signal })
}

/** The one that is named, else the least busy that is ready. */
function chooseInstance({ services }: ServePeerDeps, service: string, wanted: string | undefined): string {
  const instances = services.named(service)
  if (instances.length === 0)
    throw new HeddleError('not_found', 'this node has no such service', { fix: 'heddle services ls' })
  const eligible =
    wanted === undefined ? instances : instances.filter(({ definition }) => definition.instance === wanted)
  if (eligible.length === 0) throw gone(service)
  const [best] = eligible
    .filter(({ snapshot }) => snapshot.state === 'ready')
    .sort((a, b) => a.inFlight / Math.max(1, a.definition.capacity) - b.inFlight / Math.max(1, b.definition.capacity))
  if (best === undefined)
    throw new HeddleError('runtime_unavailable', `the service is ${eligible[0]?.snapshot.state ?? 'stopped'}`)
  return best.definition.instance
}

/** It was in our record a moment ago, so another node may have it still. */
function gone(service: string): HeddleError {
  return new HeddleError('runtime_unavailable', `this node has no such instance of "${service}" any more`)
}

/** Runtimes take whole bodies. */
async function wholeBody(body: MessageRequest['body'], headers: MessageHeaders): Promise<Uint8Array> {
  if (body instanceof Uint8Array) return body
  const most = limit('imageBodyBytes')
  if (Number(headers['content-length'] ?? 0) > most) throw tooLarge(most)
  const chunks: Uint8Array[] = []
  let sizeBytes = 0
  for await (const chunk of body ?? []) {
    sizeBytes += chunk.length
    if (sizeBytes > most) throw tooLarge(most)
    chunks.push(chunk)
  }
  return chunks.length === 1 ? (chunks[0] as Uint8Array) : Buffer.concat(chunks, sizeBytes)
}

function tooLarge(most: number): HeddleError {
  return new HeddleError('payload_too_large', `the body is larger than ${most} bytes`)
}
