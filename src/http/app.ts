/** The HTTP surface outside the inference endpoints: model list, admin API, health, metrics and docs, as one Fastify app that never listens. */
import { Buffer } from 'node:buffer'
import Fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify'
import { serializerCompiler, validatorCompiler, type ZodTypeProvider } from 'fastify-type-provider-zod'
import { HeddleError } from '../core/errors.ts'
import { asRequestId } from '../core/ids.ts'
import { limit } from '../core/limits.ts'
import { checkAccess } from './access.ts'
import type { AppDeps } from './admin/deps.ts'
import { explainRoutes } from './admin/explain-routes.ts'
import { identityRoutes } from './admin/identity-routes.ts'
import { keyRoutes } from './admin/key-routes.ts'
import { logRoutes } from './admin/log-routes.ts'
import { meshRoutes } from './admin/mesh-routes.ts'
import { modelRoutes } from './admin/model-routes.ts'
import { nodeRoutes } from './admin/node-routes.ts'
import { requestRoutes } from './admin/request-routes.ts'
import { runtimeRoutes } from './admin/runtime-routes.ts'
import { serviceRoutes } from './admin/service-routes.ts'
import { catalogueRoutes } from './catalogue-routes.ts'
import { docsRoutes } from './docs.ts'
import { errorReply } from './errors.ts'
import { failureOf } from './fastify-errors.ts'
import { frontPage } from './front-page.ts'
import { healthRoutes } from './health.ts'
import { inferenceDocs } from './inference-docs.ts'
import { otherMethods } from './method-routes.ts'
import { metricsRoutes } from './metrics.ts'
import { dntRoutes } from './ocf/dnt-routes.ts'
import { describeRoutes } from './openapi.ts'
import { normalisePath } from './path.ts'
import type { ZodApp } from './zod-app.ts'

/** Builds the app. The server calls `await app.ready()`, hands requests to `app.routing(request, response)` and closes it at the end. */
export function buildApp(deps: AppDeps): FastifyInstance {
  const app = Fastify({
    logger: false,
    bodyLimit: limit('adminBodyBytes'),
    genReqId: (request) => deps.requestId(request),
    rewriteUrl: (request) => normalisePath(request.url ?? '/'),
    routerOptions: { maxParamLength: limit('urlBytes') },
    frameworkErrors: (error, request, reply) => fail(deps, request, reply, error),
    return503OnClosing: false,
  }).withTypeProvider<ZodTypeProvider>()
  app.setValidatorCompiler(validatorCompiler)
  app.setSerializerCompiler(serializerCompiler)
  takeJsonOnly(app)
  app.addHook('onRequest', async (request, reply) => {
    reply.headers({ 'x-request-id': request.id, 'x-content-type-options': 'nosniff', 'cache-control': 'no-store' })
  })
  checkAccess(app, deps)
  app.setErrorHandler((error, request, reply) => fail(deps, request, reply, error))
  app.setNotFoundHandler((request) => {
    const path = request.url.split('?', 1)[0] ?? '/'
    throw new HeddleError('not_found', `there is no ${request.method} ${clipped(path)}`, {
      fix: 'see /docs for what there is',
    })
  })
  describeRoutes(app, deps)
  void app.register(async (scope) => addRoutes(scope.withTypeProvider<ZodTypeProvider>(), deps))
  return app
}

function addRoutes(app: ZodApp, deps: AppDeps): void {
  const refuseOtherMethods = otherMethods(app)
  inferenceDocs(app)
  catalogueRoutes(app, deps)
  nodeRoutes(app, deps)
  modelRoutes(app, deps)
  meshRoutes(app, deps)
  identityRoutes(app, deps)
  explainRoutes(app, deps)
  dntRoutes(app, deps)
  runtimeRoutes(app, deps)
  serviceRoutes(app, deps)
  keyRoutes(app, deps)
  requestRoutes(app, deps)
  logRoutes(app, deps)
  healthRoutes(app, deps)
  metricsRoutes(app, deps)
  docsRoutes(app)
  frontPage(app, deps)
  refuseOtherMethods()
}

/** Forms and text are refused, an empty body is none. */
function takeJsonOnly(app: ZodApp): void {
  app.removeAllContentTypeParsers()
  const parse = app.getDefaultJsonParser('error', 'error')
  app.addContentTypeParser('application/json', { parseAs: 'buffer' }, (request, body, done) => {
    if (body.length === 0) done(null, undefined)
    else void parse(request, Buffer.isBuffer(body) ? body.toString('utf8') : body, done)
  })
}

function fail({ log }: Pick<AppDeps, 'log'>, request: FastifyRequest, reply: FastifyReply, error: unknown): void {
  const failure = failureOf(error)
  if (failure.code === 'internal')
    log.error({ requestId: request.id, route: request.routeOptions.url, err: failure.details.cause }, 'request failed')
  const { status, headers, body } = errorReply(failure, asRequestId(request.id))
  // A string goes out as it is: no response schema may drop anything of an error.
  void reply.code(status).headers(headers).send(body)
}

/** A path as an error message may show it. */
function clipped(path: string): string {
  return path.length > 200 ? `${path.slice(0, 200)}…` : path
}
