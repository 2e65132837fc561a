/** The admin API about services: list, add, test, remove. */
import { z } from 'zod'
import {
  AddService,
  RemovedService,
  ServiceList,
  ServiceTest,
  ServiceView,
  TestService,
} from '../../core/wire/admin-services.ts'
import { clientSignal } from '../ndjson.ts'
import type { ZodApp } from '../zod-app.ts'
import type { AppDeps } from './deps.ts'

const Name = z.string().min(1).max(256)

export function serviceRoutes(app: ZodApp, { services }: Pick<AppDeps, 'services'>): void {
  const tags = ['Services']
  const admin = { access: 'admin' as const }
  const list = { summary: 'Services of this node, and of the others', tags, response: { 200: ServiceList } }
  app.get('/api/v1/services', { schema: list, config: { access: 'read' } }, () => services.list())
  const add = {
    summary: 'Add a service',
    description:
      'Any HTTP service at a URL. Answers after the first check; a service that is not there yet is tried until it is.',
    tags,
    body: AddService,
    response: { 201: ServiceView },
  }
  app.post('/api/v1/services', { schema: add, config: admin }, async (request, reply) => {
    const service = await services.add(request.body, { signal: clientSignal(reply) })
    return reply.code(201).send(service)
  })
  const test = {
    summary: 'Try a service, or a URL before adding it',
    tags,
    body: TestService,
    response: { 200: ServiceTest },
  }
  app.post('/api/v1/services/test', { schema: test, config: admin }, (request, reply) =>
    services.test(request.body, { signal: clientSignal(reply) }),
  )
  const remove = { summary: 'Remove a service', tags, response: { 200: RemovedService } }
  const one = { ...remove, params: z.object({ name: Name, instance: Name }) }
  app.delete('/api/v1/services/:name/:instance', { schema: one, config: admin }, ({ params }, reply) =>
    services.remove(params.name, params.instance, { signal: clientSignal(reply) }),
  )
  const only = { ...remove, description: 'The only instance of its name.', params: z.object({ name: Name }) }
  app.delete('/api/v1/services/:name', { schema: only, config: admin }, ({ params }, reply) =>
    services.remove(params.name, undefined, { signal: clientSignal(reply) }),
  )
}
