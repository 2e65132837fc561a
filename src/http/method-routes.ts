/** 405 with `allow` for known paths asked with another method, and 204 with `allow` for OPTIONS. */
import { HeddleError } from '../core/errors.ts'
import type { ZodApp } from './zod-app.ts'

const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'TRACE'] as const

/** Notes the methods of every route that is added from now on; call the result once all are. */
export function otherMethods(app: ZodApp): () => void {
  const byPath = new Map<string, Set<string>>()
  let closed = false
  app.addHook('onRoute', ({ url, method }) => {
    if (closed) return
    const methods = byPath.get(url) ?? new Set<string>()
    for (const name of [method].flat()) methods.add(name.toUpperCase())
    byPath.set(url, methods)
  })
  return () => {
    closed = true
    for (const [url, methods] of byPath) refuseOthers(app, url, methods)
  }
}

function refuseOthers(app: ZodApp, url: string, methods: Set<string>): void {
  if (methods.has('GET')) methods.add('HEAD')
  const allow = [...METHODS.filter((method) => methods.has(method)), 'OPTIONS']
  const route = { url, schema: { hide: true }, config: { access: 'public' as const } }
  app.route({
    ...route,
    method: 'OPTIONS',
    handler: (_request, reply) => reply.code(204).header('allow', allow.join(', ')).send(),
  })
  app.route({
    ...route,
    method: METHODS.filter((method) => !allow.includes(method)),
    // The body of a refused request is of no interest, whatever its type.
    onRequest: (request) => {
      throw new HeddleError('method_not_allowed', `${request.method} is not possible here; use ${allow.join(' or ')}`, {
        metadata: { allow },
      })
    },
    handler: () => undefined,
  })
}
