/** What a browser may make a person's machine do: Host, Origin and content-type checks, and CORS. Pure; the server asks it about every request. */
import { HeddleError } from '../core/errors.ts'
import { compileHosts, type HostPolicy } from './guard-hosts.ts'
import { compileOrigins, type OriginRules } from './guard-origins.ts'
import { isForwarding } from './ocf/ocf-target.ts'
import { authorityOf, normalisePath, pathOf } from './path.ts'

export interface GuardPolicy extends HostPolicy {
  /** Origins that may call `/v1` from a browser; `*` stands for any text. Only one without `*` may call the admin API. */
  readonly origins: readonly string[]
}

export interface GuardedRequest {
  readonly method: string
  /** As it came. */
  readonly url: string
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  /** The address of this machine that the client reached. */
  readonly localAddress: string | undefined
}

/** Header names and values in turn, to be set on whatever answer follows. */
export type HeaderPairs = readonly string[]

export type GuardVerdict =
  | { readonly kind: 'pass'; readonly headers: HeaderPairs }
  /** To be answered with 204 and these headers, at once. */
  | { readonly kind: 'preflight'; readonly headers: HeaderPairs }
  | { readonly kind: 'refused'; readonly error: HeddleError; readonly headers: HeaderPairs }

export type Guard = (request: GuardedRequest) => GuardVerdict

const PASS: GuardVerdict = { kind: 'pass', headers: [] }
/** Nothing but GET and HEAD leaves the state as it is; OPTIONS is answered without effect. */
const SAFE_METHODS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS'])
const BODY_METHODS: ReadonlySet<string> = new Set(['POST', 'PUT', 'PATCH'])
/** Pages and probes that say nothing secret. Everything else outside `/v1` counts as administration, unknown paths included. */
const PUBLIC_PATHS: ReadonlySet<string> = new Set(['/', '/livez', '/readyz', '/healthz', '/health', '/openapi.json'])
/** JSON in UTF-8. A form, which a foreign page can post without asking, is never of this type. */
const JSON_TYPE = /^application\/json\s*(;\s*charset\s*=\s*"?utf-8"?\s*)?;?\s*$/i

const EXPOSED_HEADERS = [
  'x-request-id',
  'x-should-retry',
  'retry-after',
  'retry-after-ms',
  'x-computing-node',
  ...['node', 'runtime', 'route', 'attempts', 'overhead-ms'].map((name) => `x-heddle-${name}`),
  ...['limit', 'remaining', 'reset'].flatMap((name) => [`x-ratelimit-${name}-requests`, `x-ratelimit-${name}-tokens`]),
].join(', ')

/** Prepares the checks for one policy. The result allocates nothing for a request without Origin. */
export function createGuard(policy: GuardPolicy): Guard {
  const hostAllowed = compileHosts(policy)
  const origins = compileOrigins(policy.origins)
  return (request) => {
    const host = authorityOf(request.url) ?? one(request.headers['host'])
    if (host !== undefined && !hostAllowed(host, request.localAddress)) return refused(wrongHost(host))
    const origin = one(request.headers['origin'])
    if (origin !== undefined) return checkOrigin(origins, request, host, origin)
    if (request.headers['sec-fetch-site'] === 'cross-site' && hasEffects(request)) {
      return refused(foreignOrigin('another site'))
    }
    return checkType(request, PASS)
  }
}

type Area = 'inference' | 'public' | 'admin'

/** Administration under `/v1`, as OCF has it. */
const ADMIN_PATH = /^\/v1\/(_service|dnt\/_node)(\/|$)/

function areaOf(request: GuardedRequest): Area {
  const path = pathOf(normalisePath(request.url))
  if (ADMIN_PATH.test(path)) return 'admin'
  if (path === '/v1' || path.startsWith('/v1/')) return 'inference'
  return PUBLIC_PATHS.has(path) || path === '/docs' || path.startsWith('/docs/') ? 'public' : 'admin'
}

/** Whether a mere link or image of a foreign page may do something: a service may take any GET for an order. */
function hasEffects(request: GuardedRequest): boolean {
  return areaOf(request) === 'admin' || isForwarded(request)
}

/** Whether the body is for a service, which may take any type; pages of other origins are refused by their origin. */
function isForwarded({ url }: GuardedRequest): boolean {
  return isForwarding(pathOf(normalisePath(url)))
}

function checkOrigin(
  rules: OriginRules,
  request: GuardedRequest,
  host: string | undefined,
  origin: string,
): GuardVerdict {
  const area = areaOf(request)
  const ours = rules.sameOrigin(origin, host)
  const listed = area === 'inference' ? rules.listed(origin) : area === 'admin' && rules.named(origin)
  const headers = corsHeaders(origin, listed)
  const asked = one(request.headers['access-control-request-method'])
  if (request.method === 'OPTIONS' && asked !== undefined) {
    if (!ours && !listed) return refused(foreignOrigin(origin))
    return { kind: 'preflight', headers: [...headers, ...preflightHeaders(request)] }
  }
  const guarded = area === 'admin' || !SAFE_METHODS.has(request.method) || isForwarded(request)
  if (guarded && !ours && !listed) return refused(foreignOrigin(origin))
  return checkType(request, { kind: 'pass', headers })
}

function checkType(request: GuardedRequest, pass: GuardVerdict): GuardVerdict {
  if (!BODY_METHODS.has(request.method)) return pass
  const type = one(request.headers['content-type'])
  if ((type !== undefined && JSON_TYPE.test(type)) || isForwarded(request)) return pass
  const error = new HeddleError('unsupported_media_type', 'the body must be JSON and say so in its content type', {
    param: 'content-type',
    fix: "curl -H 'content-type: application/json' …",
  })
  return { kind: 'refused', error, headers: pass.headers }
}

/**
 * The answer's CORS headers. A listed origin is named, never `*`, and credentials are never allowed: keys travel in
 * `authorization`, so a page needs to hold one to use it. `vary` is there whatever was decided.
 */
export function corsHeaders(origin: string, listed: boolean): HeaderPairs {
  if (!listed) return ['vary', 'origin']
  return ['vary', 'origin', 'access-control-allow-origin', origin, 'access-control-expose-headers', EXPOSED_HEADERS]
}

function preflightHeaders(request: GuardedRequest): HeaderPairs {
  // Reflecting is safe: the origin is listed, and no header gives a page what its key does not. SDKs add new x-stainless-* names often.
  const headers = one(request.headers['access-control-request-headers'])
  const asked = headers !== undefined && /^[A-Za-z0-9!#$%&'*+.^_`|~, -]{1,2048}$/.test(headers) ? headers : undefined
  return [
    'access-control-allow-methods',
    isForwarded(request) ? 'GET, POST, PUT, PATCH, DELETE, OPTIONS' : 'GET, POST, DELETE, OPTIONS',
    'access-control-allow-headers',
    asked ?? 'authorization, content-type, x-api-key',
    'access-control-max-age',
    '600',
  ]
}

const one = (value: string | string[] | undefined): string | undefined => (Array.isArray(value) ? value[0] : value)

const refused = (error: HeddleError): GuardVerdict => ({ kind: 'refused', error, headers: [] })

function wrongHost(host: string): HeddleError {
  const plain = /^[A-Za-z0-9.:[\]_-]{1,253}$/.test(host) ? host.replace(/:\d+$/, '') : undefined
  return new HeddleError(
    'misdirected_request',
    `this node does not answer to the name ${plain === undefined ? 'given' : `"${plain}"`}`,
    {
      param: 'host',
      ...(plain === undefined ? {} : { fix: `heddle config set http.hosts ${plain}` }),
    },
  )
}

function foreignOrigin(origin: string): HeddleError {
  const plain = /^[a-z][a-z0-9+.-]*:\/\/[A-Za-z0-9.:[\]_-]{1,253}$/.test(origin) ? origin : undefined
  return new HeddleError('origin_not_allowed', `pages of ${plain ?? 'another site'} may not do this`, {
    param: 'origin',
    ...(plain === undefined ? {} : { fix: `heddle config set cors.origins ${plain}` }),
  })
}
