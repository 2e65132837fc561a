/** Probes: is the process alive, can it serve, and `/health` as the clients of OllaBridge and mycellm read it. */
import { z } from 'zod'
import { HeddleError } from '../core/errors.ts'
import type { AppDeps, Readiness } from './admin/deps.ts'
import type { ZodApp } from './zod-app.ts'

/** OllaBridge's fields, then mycellm's. */
const Health = z
  .object({
    status: z.enum(['ok', 'degraded']),
    mode: z.string(),
    default_model: z.string().nullable(),
    auth_mode: z.enum(['required', 'none']),
    detail: z.string(),
    homepilot_enabled: z.literal(false),
    local_runtime_enabled: z.boolean(),
    version: z.string(),
    peer_id: z.string(),
    auth_required: z.boolean(),
    auth: z.object({ enabled: z.boolean(), protected: z.array(z.string()), public: z.array(z.string()) }),
  })
  .meta({ id: 'Health' })

const Verbose = z.object({ verbose: z.string().optional() })
const Probe = z
  .object({ status: z.string(), version: z.string(), state: z.string(), reasons: z.array(z.string()) })
  .meta({ id: 'Probe' })

type HealthDeps = Pick<AppDeps, 'status' | 'ready' | 'health' | 'version'>

export function healthRoutes(app: ZodApp, deps: HealthDeps): void {
  const config = { access: 'public' as const }
  const content = { 'text/plain': { schema: z.string() }, 'application/json': { schema: Probe } }
  const probe = (summary: string) => ({
    config,
    schema: {
      summary,
      tags: ['Health'],
      querystring: Verbose,
      response: { 200: { description: '`ok`, or more with `?verbose`', content } },
    },
  })
  for (const path of ['/livez', '/healthz']) {
    app.get(path, probe('Whether the process is alive'), async (request, reply) => {
      if (request.query.verbose === undefined) return reply.type('text/plain; charset=utf-8').send('ok\n')
      return reply.type('application/json; charset=utf-8').send(probeOf(deps, []))
    })
  }
  app.get('/readyz', probe('Whether a request can be served now'), async (request, reply) => {
    const readiness = deps.ready()
    if (!readiness.ready) throw notReady(deps, readiness)
    if (request.query.verbose === undefined) return reply.type('text/plain; charset=utf-8').send('ok\n')
    return reply.type('application/json; charset=utf-8').send(probeOf(deps, readiness.reasons))
  })
  app.get(
    '/health',
    { config, schema: { summary: 'Health for other tools', tags: ['Health'], response: { 200: Health } } },
    () => healthOf(deps),
  )
}

const probeOf = ({ status, version }: HealthDeps, reasons: readonly string[]): z.infer<typeof Probe> => ({
  status: 'ok',
  version: version().version,
  state: status().state,
  reasons: [...reasons],
})

function notReady({ status }: HealthDeps, { draining, reasons }: Readiness): HeddleError {
  const message = reasons.length === 0 ? 'this node cannot serve a request now' : reasons.join('; ')
  return new HeddleError(draining ? 'draining' : 'no_capacity', message, {
    metadata: { ready: false, state: status().state, reasons: [...reasons] },
    ...(draining ? {} : { fix: 'heddle status' }),
  })
}

function healthOf({ health, version }: HealthDeps): z.infer<typeof Health> {
  const { mode, defaultModel, authRequired, runtimes, localRuntime, nodeId } = health()
  const open = ['/', '/livez', '/readyz', '/healthz', '/health', '/openapi.json', '/docs']
  return {
    status: runtimes > 0 ? 'ok' : 'degraded',
    mode,
    default_model: defaultModel ?? null,
    auth_mode: authRequired ? 'required' : 'none',
    detail: `runtimes=${runtimes}`,
    homepilot_enabled: false,
    local_runtime_enabled: localRuntime,
    version: version().version,
    peer_id: nodeId,
    auth_required: authRequired,
    auth: {
      enabled: authRequired,
      protected: authRequired ? ['/v1', '/api/v1', '/metrics'] : ['/api/v1', '/metrics'],
      public: authRequired ? open : ['/v1', ...open],
    },
  }
}
