/** The admin API about runtimes: list, add, test, remove. */
import { z } from 'zod'
import { RuntimeView } from '../../core/wire/admin.ts'
import { AddRuntime, Removed, RuntimeList, RuntimeTest, TestRuntime } from '../../core/wire/admin-models.ts'
import { clientSignal } from '../ndjson.ts'
import type { ZodApp } from '../zod-app.ts'
import type { AppDeps } from './deps.ts'

export function runtimeRoutes(app: ZodApp, { runtimes }: Pick<AppDeps, 'runtimes'>): void {
  const tags = ['Runtimes']
  const admin = { access: 'admin' as const }
  const list = { summary: 'Runtimes', tags, response: { 200: RuntimeList } }
  app.get('/api/v1/runtimes', { schema: list, config: { access: 'read' } }, () => ({
    schema: 'heddle.runtimes/v1' as const,
    runtimes: [...runtimes.list()],
  }))
  const add = {
    summary: 'Add a runtime',
    description: 'Returns at once; the runtime comes up in the background and is tried until it answers.',
    tags,
    body: AddRuntime,
    response: { 201: RuntimeView },
  }
  app.post('/api/v1/runtimes', { schema: add, config: admin }, async (request, reply) => {
    const runtime = await runtimes.add(request.body, { signal: clientSignal(reply) })
    return reply.code(201).send(runtime)
  })
  const test = { summary: 'Try a runtime, step by step', tags, body: TestRuntime, response: { 200: RuntimeTest } }
  app.post('/api/v1/runtimes/test', { schema: test, config: admin }, (request, reply) =>
    runtimes.test(request.body, { signal: clientSignal(reply) }),
  )
  const remove = {
    summary: 'Remove a runtime',
    tags,
    params: z.object({ '*': z.string().min(1).max(2_048) }),
    response: { 200: Removed },
  }
  app.delete('/api/v1/runtimes/*', { schema: remove, config: admin }, async (request, reply) => {
    const id = request.params['*']
    await runtimes.remove(id, { signal: clientSignal(reply) })
    return { id, removed: true as const }
  })
}
