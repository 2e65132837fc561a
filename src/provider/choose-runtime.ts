/** Which runtime of this node answers a peer's inference request. */
import { HeddleError } from '../core/errors.ts'
import type { RuntimeId } from '../core/ids.ts'
import { ENDPOINT_PATHS, parseInferenceRequest } from '../core/openai/parse-inference-request.ts'
import type { Endpoint } from '../core/routing/candidate.ts'
import { planRoute } from '../core/routing/plan-route.ts'
import { refusalOf } from '../core/routing/route-refusal.ts'
import type { Directory } from '../ports/directory.ts'

const NOT_READY_RETRY_MS = 1_000
const ENDPOINTS: ReadonlyMap<string, Endpoint> = new Map(
  (Object.keys(ENDPOINT_PATHS) as Endpoint[]).map((endpoint) => [ENDPOINT_PATHS[endpoint], endpoint]),
)

/**
 * `named` where the peer's gateway chose it, else the least busy that is ready. The body is checked as a client's own would be:
 * a peer is no more to be trusted.
 * @throws HeddleError the fault of the request, or `runtime_unavailable`
 */
export function chooseRuntime(
  directory: Pick<Directory, 'candidatesFor'>,
  path: string,
  body: Uint8Array,
  named: RuntimeId | undefined,
): RuntimeId {
  const endpoint = ENDPOINTS.get(path.split('?', 1)[0] ?? '')
  if (endpoint === undefined) throw new HeddleError('not_found', 'the service "llm" has no such path')
  const request = parseInferenceRequest(endpoint, parseJson(body), body)
  const candidates = directory.candidatesFor(request.model)
  const eligible = named === undefined ? candidates : candidates.filter(({ runtime }) => runtime === named)
  if (candidates.length === 0)
    throw new HeddleError('model_not_found', 'this node serves no such model', { param: 'model' })
  // Our own runtimes may read every prompt.
  const plan = planRoute(request, eligible, { promptTrust: 'self' })
  const [best] = plan.ordered
  if (best !== undefined) return best.runtime
  const refusal = refusalOf(plan, request)
  // The reasons and runtimes stay here: they may hold addresses of the inner network.
  if (refusal.code !== 'no_capacity' && refusal.code !== 'no_route')
    throw new HeddleError(refusal.code, refusal.message, { param: refusal.details.param })
  throw new HeddleError('runtime_unavailable', 'no runtime of this node serves the model now', {
    retryAfterMs: NOT_READY_RETRY_MS,
  })
}

function parseJson(body: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body)) as unknown
  } catch (cause) {
    throw new HeddleError('malformed_json', 'the body is not JSON', { cause })
  }
}
