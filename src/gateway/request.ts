/** The story of a request: admit → plan → send → stream → settle; each step is a file of this folder, named in the table that docs/ARCHITECTURE.md opens with. */
import { HeddleError, heddleErrorOf } from '../core/errors.ts'
import type { NodeId } from '../core/ids.ts'
import type { InferenceRequest } from '../core/openai/inference-request.ts'
import { parseInferenceRequest } from '../core/openai/parse-inference-request.ts'
import type { Candidate } from '../core/routing/candidate.ts'
import { planRoute } from '../core/routing/plan-route.ts'
import { refusalOf } from '../core/routing/route-refusal.ts'
import type { Admitted } from '../ports/admission.ts'
import type { GatewayDeps } from './deps.ts'
import { sendToFirst } from './failover.ts'
import { startHeartbeat } from './heartbeat.ts'
import type { Inbound, Reply } from './inbound.ts'
import { refuse } from './refuse.ts'
import { settle } from './settle.ts'
import { RequestStory } from './story.ts'
import { deliver } from './stream.ts'
import { decodeUtf8 } from './utf8.ts'

/**
 * Answers one inference request; never throws. Aborting `signal` (the client left) ends it everywhere.
 * Resolves with the candidate whose answer the client got; undefined where none answered.
 */
export async function serveRequest(
  deps: GatewayDeps,
  inbound: Inbound,
  reply: Reply,
  { signal }: { readonly signal: AbortSignal },
): Promise<Candidate | undefined> {
  const { admission, metrics, log } = deps
  const story = new RequestStory(inbound)
  const finished = metrics.requestStarted()
  try {
    const admitting = admission.admit(inbound.caller, 'inference')
    story.admitted = admitting instanceof Promise ? await admitting : admitting

    const body = await inbound.readBody()
    if (deps.logContent) log.info({ requestId: inbound.id, text: decodeUtf8(body.bytes) }, 'request content')
    const request = parseInferenceRequest(inbound.endpoint, body.json, body.bytes)
    story.request = request
    if (!story.admitted.allowsModel(request.model)) throw modelNotAllowed(request.model)

    plan(deps, story, request, story.admitted)

    using heartbeat = request.stream ? startHeartbeat(deps, story, reply) : undefined
    const answer = await sendToFirst(deps, story, request, { signal })
    heartbeat?.stop()

    await deliver(deps, story, reply, answer, { signal })
  } catch (error) {
    story.failure = signal.aborted ? clientClosed(signal) : heddleErrorOf(error)
    refuse(deps, story, reply, error)
  } finally {
    settle(deps, story, finished)
  }
  return story.servedBy
}

/** Puts the candidates in order; throws the truth about why there are none. */
function plan(
  { catalogue, metrics, log }: GatewayDeps,
  story: RequestStory,
  request: InferenceRequest,
  admitted: Admitted,
): void {
  const candidates = catalogue.candidatesFor(request.model)
  const route = planRoute(
    request,
    story.inbound.node === undefined ? candidates : ofNode(candidates, story.inbound.node, request),
    admitted,
  )
  story.plan = route
  if (route.ordered.length === 0) {
    const refusal = refusalOf(route, request)
    metrics.routeDecided(refusal.code, 'refused')
    throw refusal
  }
  metrics.routeDecided(route.reason, 'planned')
  log.debug({ requestId: story.inbound.id, candidates: route.ordered.length }, 'route planned')
}

/** @throws HeddleError `model_not_found` where the node does not offer the model */
function ofNode(
  candidates: readonly Candidate[],
  node: NodeId,
  { model }: Pick<InferenceRequest, 'model'>,
): readonly Candidate[] {
  const there = candidates.filter((candidate) => candidate.node === node)
  if (there.length > 0) return there
  throw new HeddleError('model_not_found', `the node does not serve "${model}"`, {
    param: 'model',
    fix: 'heddle nodes ls',
  })
}

function modelNotAllowed(model: string): HeddleError {
  return new HeddleError('model_not_allowed', `this key may not use "${model}"`, {
    param: 'model',
    fix: 'heddle keys ls',
  })
}

function clientClosed(signal: AbortSignal): HeddleError {
  return signal.reason instanceof HeddleError
    ? signal.reason
    : new HeddleError('client_closed', 'the client closed the connection')
}
