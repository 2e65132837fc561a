/** A request for a service, whatever it does: plan → send to the first instance that answers. Whoever calls it has admitted the caller. */
import { HeddleError, heddleErrorOf, mayTryNextCandidate } from '../core/errors.ts'
import type { NodeId, RequestId } from '../core/ids.ts'
import { limit } from '../core/limits.ts'
import type { MessageBody, MessageHeaders, MessageRequest, MessageResponse } from '../core/message.ts'
import type { ConnectorKind } from '../core/routing/candidate.ts'
import { keysOfGroups, type RequestFields, type Strictness } from '../core/routing/identity-groups.ts'
import { nearNames } from '../core/routing/near-names.ts'
import { planService } from '../core/routing/plan-service.ts'
import type { ServiceCandidate } from '../core/routing/service-candidate.ts'
import { headersForService, headersFromService } from '../core/routing/service-headers.ts'
import { parseServicePath } from '../core/routing/service-path.ts'
import type { Admitted } from '../ports/admission.ts'
import type { Connector } from '../ports/connector.ts'
import type { Logger } from '../ports/logger.ts'
import type { Metrics } from '../ports/metrics.ts'
import type { ServiceDirectory } from '../ports/service-directory.ts'
import { readServiceBody, type ServiceBody } from './service-body.ts'

export interface ServiceRequestDeps {
  /** This node's and the network's. */
  readonly services: ServiceDirectory
  readonly connectors: ReadonlyMap<ConnectorKind, Connector>
  readonly metrics: Pick<Metrics, 'attemptFailed'>
  readonly log: Logger
}

export interface ServiceAsk {
  readonly id: RequestId
  /** Undefined with a `node` means the only service of that node, or `llm` where it has several. */
  readonly service: string | undefined
  /** The one node that may answer; undefined for any. */
  readonly node: NodeId | undefined
  readonly method: string
  /** Path and query below the service, as the client sent them. */
  readonly path: string
  /** As the client sent them; what must not travel is taken out here. */
  readonly headers: MessageHeaders
  readonly body: Uint8Array | MessageBody | undefined
  /** What stands for the fields of the body, by key (see `fieldsInHeaders`); with any that a group speaks of, the body is not looked at. */
  readonly fields: ReadonlyMap<string, string>
  readonly strictness: Strictness
  readonly admitted: Pick<Admitted, 'allowsModel' | 'limitsModels' | 'promptTrust'>
}

export interface ServiceAnswer extends MessageResponse {
  readonly servedBy: ServiceCandidate
}

const LLM = 'llm'
const MODEL_KEY: ReadonlySet<string> = new Set(['model'])
const NO_KEYS: ReadonlySet<string> = new Set()
const NO_FIELDS: RequestFields = new Map()
const UNAVAILABLE_RETRY_MS = 1_000

/**
 * Resolves with the answer of the service, whatever its status. The body must be read to its end, or `signal` aborted.
 * @throws HeddleError the reason why nobody answered; aborting `signal` rejects with its reason
 */
export async function serveService(
  deps: ServiceRequestDeps,
  ask: ServiceAsk,
  { signal }: { readonly signal: AbortSignal },
): Promise<ServiceAnswer> {
  const parsed = parseServicePath(ask.path)
  if (parsed.kind === 'refused') throw new HeddleError('invalid_request', `the path is refused: ${parsed.reason}`)
  const service = ask.service ?? serviceAt(deps.services, ask.node)
  const isInference = service === LLM && ask.method === 'POST'
  if (ask.admitted.limitsModels && !isInference) throw limitedToModels(service)
  const instances = isInference ? [] : instancesFor(deps.services, service, ask.node)
  // For inference the body alone counts: a header must not hide a model that the key may not use.
  const groups = instances.flatMap((instance) => instance.groups)
  const inHeaders = isInference ? NO_FIELDS : fieldsOf(keysOfGroups(groups, 'any'), ask)
  const keys = isInference ? MODEL_KEY : keysOfGroups(groups, ask.node === undefined ? ask.strictness : 'any')
  const body = await readServiceBody(ask, {
    // Who names a group outside the body says that the body need not be looked at.
    keys: inHeaders.size > 0 ? NO_KEYS : keys,
    wholeBytes: isInference ? limit('imageBodyBytes') : undefined,
  })
  signal.throwIfAborted()
  const fields: RequestFields = new Map([...body.fields, ...inHeaders])
  if (isInference) checkModel(fields, ask)
  const ordered = planService(
    {
      service,
      fields,
      strictness: ask.strictness,
      promptTrust: ask.admitted.promptTrust,
      isDirect: ask.node !== undefined,
      needsGroups: service !== LLM || isInference,
    },
    isInference ? modelInstances(deps.services, fields, ask) : instances,
  )
  const message: Omit<MessageRequest, 'body'> = {
    id: ask.id,
    service,
    method: ask.method,
    path: parsed.path,
    headers: headersForService(ask.headers),
  }
  return sendToFirst(deps, ordered, message, judged(body, ask), { signal })
}

/** The service that a path without one means: the only one of its node, or `llm` among several. */
function serviceAt(directory: ServiceDirectory, node: NodeId | undefined): string {
  if (node === undefined) throw unknownService(directory, '')
  const names = [...new Set(directory.instancesAt(node).map(({ service }) => service))]
  const chosen = names.length === 1 ? names[0] : names.find((name) => name === LLM)
  if (chosen === undefined) throw notAtNode(directory, node, undefined)
  return chosen
}

/** Everyone who might answer, ready or not; never empty. */
function instancesFor(
  directory: ServiceDirectory,
  service: string,
  node: NodeId | undefined,
): readonly ServiceCandidate[] {
  const instances =
    node === undefined
      ? directory.instancesOf(service)
      : directory.instancesAt(node).filter((instance) => instance.service === service)
  if (instances.length > 0) return instances
  throw node === undefined ? unknownService(directory, service) : notAtNode(directory, node, service)
}

/** Of a network of thousands only those of the model are looked at. */
function modelInstances(
  directory: ServiceDirectory,
  fields: RequestFields,
  { node, strictness }: ServiceAsk,
): readonly ServiceCandidate[] {
  if (node !== undefined || strictness !== 'exact') return instancesFor(directory, LLM, node)
  return directory.instancesInGroup(LLM, `model=${String(fields.get('model'))}`)
}

/** Those of `keys` that the request names outside its body; header names have no case. */
function fieldsOf(keys: ReadonlySet<string>, { fields }: ServiceAsk): RequestFields {
  const found = new Map<string, string>()
  for (const key of keys) {
    const value = fields.get(key) ?? fields.get(key.toLowerCase())
    if (value !== undefined) found.set(key, value)
  }
  return found
}

function checkModel(fields: RequestFields, { admitted }: ServiceAsk): void {
  const model = fields.get('model')
  if (typeof model !== 'string') throw new HeddleError('invalid_request', 'name a model in "model"', { param: 'model' })
  if (!admitted.allowsModel(model)) {
    throw new HeddleError('model_not_allowed', `this key may not use "${model.slice(0, limit('modelIdBytes'))}"`, {
      param: 'model',
      fix: 'heddle keys ls',
    })
  }
}

/** Where a key is bound to models the provider gets what was judged: a name that stands twice may be read differently there. */
function judged(body: ServiceBody, { admitted }: ServiceAsk): ServiceBody {
  if (!admitted.limitsModels || !(body.content instanceof Uint8Array)) return body
  const json: unknown = JSON.parse(Buffer.from(body.content).toString('utf8'))
  return { ...body, content: Buffer.from(JSON.stringify(json)) }
}

async function sendToFirst(
  { connectors, metrics, log }: ServiceRequestDeps,
  ordered: readonly ServiceCandidate[],
  message: Omit<MessageRequest, 'body'>,
  body: ServiceBody,
  { signal }: { readonly signal: AbortSignal },
): Promise<ServiceAnswer> {
  let last: HeddleError | undefined
  const failed: { readonly node: string; readonly runtime: string; readonly outcome: string }[] = []
  for (const candidate of ordered.slice(0, limit('attempts'))) {
    try {
      const connector = connectors.get(candidate.connector)
      if (connector === undefined)
        throw new HeddleError('runtime_unavailable', `no ${candidate.connector} connector on this node`)
      const response = await connector.send(candidate, { ...message, body: body.content }, { signal })
      log.debug({ requestId: message.id, service: message.service, node: candidate.nodeName }, 'service answered')
      return { ...response, headers: headersFromService(response.headers), servedBy: candidate }
    } catch (error) {
      signal.throwIfAborted() // the client left: not the candidate's fault
      last = heddleErrorOf(error)
      const { nodeName: node, runtime } = candidate
      failed.push({ node, runtime, outcome: last.code })
      if (!mayTryNextCandidate(last)) throw last
      metrics.attemptFailed('before_first_byte')
      log.warn(
        { requestId: message.id, service: message.service, node, runtime, code: last.code },
        'an instance failed before the first byte',
      )
      if (!body.isFresh()) break
    }
  }
  throw exhausted(message.service, last, failed)
}

/** What to say when every instance failed: away is 503, silence 504, anything else 502. */
function exhausted(service: string, last: HeddleError | undefined, attempts: readonly object[]): HeddleError {
  const metadata = { attempts }
  const reason = last?.message ?? `no instance of "${service}" answered`
  if (last?.code === 'runtime_unavailable' || last?.code === 'model_loading') {
    const retryAfterMs = last.details.retryAfterMs ?? UNAVAILABLE_RETRY_MS
    return new HeddleError('no_capacity', reason, { cause: last, metadata, retryAfterMs, fix: 'heddle status' })
  }
  return new HeddleError(last?.code === 'timeout' ? 'timeout' : 'upstream_failed', reason, { cause: last, metadata })
}

function unknownService(directory: ServiceDirectory, service: string): HeddleError {
  const names = [...new Set(directory.allInstances().map((instance) => instance.service))]
  const near = nearNames(service, names)
  const hint = near.length > 0 ? `; did you mean ${near.map((name) => `"${name}"`).join(', ')}?` : ''
  return new HeddleError('not_found', `nobody offers the service "${service.slice(0, 80)}"${hint}`, {
    fix: 'heddle services ls',
    metadata: near.length > 0 ? { near } : undefined,
  })
}

function notAtNode(directory: ServiceDirectory, node: NodeId, service: string | undefined): HeddleError {
  const offered = [...new Set(directory.instancesAt(node).map((instance) => instance.service))]
  const id = node.slice(0, 80)
  if (offered.length === 0)
    return new HeddleError('not_found', `no node "${id}" that offers services is known`, { fix: 'heddle nodes ls' })
  const list = offered.map((name) => `"${name}"`).join(', ')
  return service === undefined
    ? new HeddleError('invalid_request', `the node offers ${list}; name one of them`)
    : new HeddleError('not_found', `the node does not offer "${service.slice(0, 80)}"; it offers ${list}`)
}

function limitedToModels(service: string): HeddleError {
  return new HeddleError(
    'insufficient_scope',
    `this key is limited to models, so it cannot use the service "${service}"`,
    {
      fix: 'heddle keys create <name>, without --models',
    },
  )
}
