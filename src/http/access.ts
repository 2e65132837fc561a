/** Who may use which route: every route names its access, and one that names none is for administrators. */
import type { FastifyRequest } from 'fastify'
import type { Admitted, Caller } from '../ports/admission.ts'
import type { AppDeps } from './admin/deps.ts'
import type { ZodApp } from './zod-app.ts'

/** `metrics` is `read`, but free from this machine or where the operator made it public. */
export type Access = 'public' | 'inference' | 'read' | 'admin' | 'metrics'

declare module 'fastify' {
  interface FastifyContextConfig {
    access?: Access
  }
  interface FastifyRequest {
    /** Undefined on public routes. */
    admitted: Admitted | undefined
  }
}

export type AccessDeps = Pick<AppDeps, 'admission' | 'metricsPublic'>

/** Checks keys before anything of a body is read. */
export function checkAccess(app: ZodApp, deps: AccessDeps): void {
  app.decorateRequest('admitted', undefined)
  app.addHook('onRequest', async (request, reply) => {
    if (request.is404) return
    const scope = scopeOf(request, deps)
    if (scope === undefined) return
    const admitted = await deps.admission.admit(callerOf(request), scope)
    request.admitted = admitted
    const { headers } = admitted
    for (let index = 0; index + 1 < headers.length; index += 2)
      reply.header(headers[index] as string, headers[index + 1])
  })
}

function scopeOf(request: FastifyRequest, { metricsPublic }: AccessDeps): 'inference' | 'read' | 'admin' | undefined {
  const access = request.routeOptions.config.access ?? 'admin'
  switch (access) {
    case 'public':
      return undefined
    case 'metrics':
      return metricsPublic || isLocal(request) ? undefined : 'read'
    default:
      return access
  }
}

function callerOf(request: FastifyRequest): Caller {
  const { authorization } = request.headers
  const apiKey = request.headers['x-api-key'] ?? request.headers['api-key']
  return {
    authorization,
    apiKey: Array.isArray(apiKey) ? apiKey[0] : apiKey,
    remoteAddress: request.socket.remoteAddress ?? '',
  }
}

const FORWARDED = ['forwarded', 'x-forwarded-for', 'x-real-ip', 'via'] as const

/** From this machine and not through a proxy on it, behind which anybody may be. */
function isLocal(request: FastifyRequest): boolean {
  if (FORWARDED.some((name) => request.headers[name] !== undefined)) return false
  const address = request.socket.remoteAddress ?? ''
  return address === '::1' || /^(::ffff:)?127\./.test(address)
}
