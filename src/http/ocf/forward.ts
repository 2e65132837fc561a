/** OCF's forwarding routes on Node's HTTP: bodies flow both ways as they come. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { HeddleError, heddleErrorOf } from '../../core/errors.ts'
import type { NodeId, RequestId } from '../../core/ids.ts'
import type { MessageResponse } from '../../core/message.ts'
import { headersFromService } from '../../core/routing/service-headers.ts'
import type { OcfEvent } from '../../core/wire/ocf-event.ts'
import type { HeaderPairs } from '../../gateway/inbound.ts'
import { type ServiceAnswer, serveService } from '../../gateway/service-request.ts'
import type { Admitted } from '../../ports/admission.ts'
import { callerOf, endpointAt, type InferenceDeps, serveInference } from '../openai/inference.ts'
import { pathOf } from '../path.ts'
import { sendError } from '../send-error.ts'
import type { OcfDeps } from './deps.ts'
import { checkMethod, messageBody, messageHeaders } from './message.ts'
import { narrowedAdmission } from './narrowed-admission.ts'
import type { OcfTarget } from './ocf-target.ts'
import { redirectedWithin } from './redirect.ts'
import { sendAnswer, sendJson } from './send-answer.ts'
import { readOf } from './table-answers.ts'
import { wishOf } from './wish.ts'

export interface ForwardDeps extends InferenceDeps {
  readonly ocf: OcfDeps
  readonly version: string
}

/** One request, as Node's server has it. */
export interface Exchange {
  readonly id: RequestId
  readonly request: IncomingMessage
  readonly response: ServerResponse
  /** Headers that go out with every answer. */
  readonly common: HeaderPairs
}

/** What is forwarded here; the list of models is the catalogue's. */
type ForwardTarget = Exclude<OcfTarget, { readonly kind: 'models' }>
type ServiceTarget = Exclude<ForwardTarget, { readonly kind: 'refused' | 'peer-read' }>

interface Cancellable {
  /** Aborts when the client leaves. */
  readonly signal: AbortSignal
}

/** Answers one request; never rejects. */
export async function serveOcf(
  deps: ForwardDeps,
  target: ForwardTarget,
  received: Exchange,
  { signal }: Cancellable,
): Promise<void> {
  const { gateway, version } = deps
  const exchange = { ...received, common: [...received.common, 'ocf-version', version] }
  const { id, response, common } = exchange
  const startedAt = gateway.clock.monotonic()
  const story: Story = { admitted: undefined, servedBy: undefined }
  let failure: HeddleError | undefined
  try {
    const wasInference = await forward(deps, target, exchange, story, { signal })
    if (wasInference) return
  } catch (error) {
    failure = signal.aborted
      ? new HeddleError('client_closed', 'the client closed the connection')
      : heddleErrorOf(error)
    if (failure.code === 'internal')
      gateway.log.error({ requestId: id, err: failure.details.cause }, 'forwarding failed inside heddle')
    sendError(gateway, response, failure, [...common, ...(story.admitted?.headers ?? [])])
  }
  settle(deps, target, exchange, story, { failure, startedAt })
}

interface Story {
  admitted: Admitted | undefined
  servedBy: ServiceAnswer['servedBy'] | undefined
}

/** True where the gateway answered it as inference, with its own log row and metrics. */
async function forward(
  deps: ForwardDeps,
  target: ForwardTarget,
  exchange: Exchange,
  story: Story,
  { signal }: Cancellable,
): Promise<boolean> {
  if (target.kind === 'refused')
    throw new HeddleError('not_found', target.reason, { fix: 'see docs/guides/ocf.md for the routes' })
  const { request } = exchange
  const method = checkMethod(request.method)
  const inference = inferenceOf(target, method)
  if (inference !== undefined) {
    await infer(deps, inference, exchange, { signal })
    return true
  }
  const admitting = deps.gateway.admission.admit(callerOf(request), scopeOf(target))
  story.admitted = admitting instanceof Promise ? await admitting : admitting
  if (target.kind === 'peer-read') await forwardRead(deps, target, exchange, story.admitted, { signal })
  else await forwardService(deps, target, method, exchange, story, story.admitted, { signal })
  return false
}

function scopeOf({ kind }: ForwardTarget): 'inference' | 'read' | 'admin' {
  if (kind === 'local') return 'admin'
  return kind === 'peer-read' ? 'read' : 'inference'
}

interface Inference {
  readonly endpoint: NonNullable<ReturnType<typeof endpointAt>>
  readonly node: NodeId | undefined
  readonly event: (to: NodeId, from: NodeId) => OcfEvent
}

/** What clients of `llm` ask most goes the way of every inference request: limits, failover, usage and truthful streams are there. */
function inferenceOf(target: ForwardTarget, method: string): Inference | undefined {
  if (target.kind !== 'service' && target.kind !== 'peer-service') return undefined
  if (target.service !== 'llm' || method !== 'POST') return undefined
  const endpoint = endpointAt(pathOf(target.path))
  if (endpoint === undefined) return undefined
  const node = target.kind === 'peer-service' ? target.peer : undefined
  return { endpoint, node, event: (to, from) => eventOf(target, from, to) }
}

async function infer(
  deps: ForwardDeps,
  { endpoint, node, event }: Inference,
  { id, request, response, common }: Exchange,
  { signal }: Cancellable,
): Promise<void> {
  const { gateway, ocf } = deps
  const admission = narrowedAdmission(gateway.admission, messageHeaders(request.headers))
  const inferenceDeps = { ...deps, gateway: { ...gateway, admission } }
  const options = { signal, node }
  const servedBy = await serveInference(inferenceDeps, endpoint, id, request, response, common, options)
  if (servedBy !== undefined) ocf.record(event(servedBy.node, ocf.view.self))
}

async function forwardService(
  { gateway, ocf }: ForwardDeps,
  target: ServiceTarget,
  method: string,
  { id, request, response, common }: Exchange,
  story: Story,
  admitted: Admitted,
  { signal }: Cancellable,
): Promise<void> {
  const headers = messageHeaders(request.headers)
  const wish = wishOf(headers, { strictness: ocf.strictness, promptTrust: admitted.promptTrust })
  const answer = await serveService(
    ocf,
    {
      id,
      service: target.service,
      node: target.kind === 'service' ? undefined : target.kind === 'local' ? ocf.view.self : target.peer,
      method,
      path: target.path,
      headers,
      body: messageBody(gateway, request, response),
      fields: wish.fields,
      strictness: wish.strictness,
      admitted: { ...limitsOf(admitted), promptTrust: wish.promptTrust },
    },
    { signal },
  )
  story.servedBy = answer.servedBy
  const { node } = answer.servedBy
  if (target.kind !== 'local') ocf.record(eventOf(target, ocf.view.self, node))
  const within = { ...answer, headers: redirectedWithin(answer.headers, request.url ?? '', target.path) }
  await sendAnswer(gateway, response, within, [...common, ...admitted.headers, 'x-computing-node', node])
}

function limitsOf(admitted: Admitted): Pick<Admitted, 'allowsModel' | 'limitsModels'> {
  return { allowsModel: (model) => admitted.allowsModel(model), limitsModels: admitted.limitsModels }
}

async function forwardRead(
  { gateway, ocf }: ForwardDeps,
  { peer, path }: Extract<OcfTarget, { readonly kind: 'peer-read' }>,
  { request, response, common }: Exchange,
  admitted: Admitted,
  { signal }: Cancellable,
): Promise<void> {
  const { view } = ocf
  if (request.method !== 'GET' && request.method !== 'HEAD')
    throw new HeddleError('method_not_allowed', 'this is only read; use GET', { metadata: { allow: ['GET', 'HEAD'] } })
  if (!view.knows(peer)) throw new HeddleError('not_found', 'no such node is known', { fix: 'heddle nodes ls' })
  const headers = [...common, ...admitted.headers, 'x-computing-node', peer]
  if (peer === view.self) {
    sendJson(response, readOf(view, path), headers)
    return
  }
  const question = { method: 'GET', path, headers: { accept: 'application/json' }, body: undefined }
  const answer: MessageResponse = await ocf.askPeer(peer, question, { signal })
  ocf.record({ event: 'P2P Forward', from: view.self, to: peer, path })
  await sendAnswer(gateway, response, { ...answer, headers: headersFromService(answer.headers) }, headers)
}

function eventOf(target: Exclude<ServiceTarget, { readonly kind: 'local' }>, from: NodeId, to: NodeId): OcfEvent {
  const path = pathOf(target.path)
  const { service } = target
  if (target.kind === 'service') return { event: 'Service Forward', from, to, path, service }
  if (target.route === 'p2p') return { event: 'P2P Forward', from, to, path: `/v1/_service/${service}${path}` }
  return { event: 'P2P Service Forward', from, to, path, service }
}

/** One row of the request log, as for inference; never what was said. */
function settle(
  { gateway: { requestLog, clock } }: ForwardDeps,
  target: ForwardTarget,
  { id, response }: Exchange,
  { admitted, servedBy }: Story,
  { failure, startedAt }: { readonly failure: HeddleError | undefined; readonly startedAt: number },
): void {
  const durationMs = clock.monotonic() - startedAt
  requestLog.append({
    id,
    at: clock.now(),
    endpoint: 'service' in target ? `service/${target.service}` : target.kind,
    model: '',
    keyId: admitted?.keyId,
    stream: false,
    status: failure?.code === 'client_closed' ? failure.status : response.statusCode,
    outcome: failure?.code ?? 'ok',
    node: servedBy?.nodeName,
    runtime: servedBy?.runtime,
    candidates: 0,
    exclusions: [],
    attempts: [],
    inputTokens: undefined,
    outputTokens: undefined,
    firstByteMs: undefined,
    durationMs,
    finishReason: undefined,
  })
}
