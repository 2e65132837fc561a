/** The admin API about API keys. A secret is in one answer only: the one that made it. */
import { z } from 'zod'
import { HeddleError } from '../../core/errors.ts'
import { asKeyId } from '../../core/ids.ts'
import { CreatedKey, CreateKey, KeyList } from '../../core/wire/admin-accounts.ts'
import { Removed } from '../../core/wire/admin-models.ts'
import type { ZodApp } from '../zod-app.ts'
import type { AppDeps } from './deps.ts'
import { durationMsOf, keyView } from './views.ts'

export function keyRoutes(app: ZodApp, { keys, clock }: Pick<AppDeps, 'keys' | 'clock'>): void {
  const tags = ['Keys']
  const admin = { access: 'admin' as const }
  app.get(
    '/api/v1/keys',
    { schema: { summary: 'Keys', tags, response: { 200: KeyList } }, config: { access: 'read' } },
    async () => {
      const now = clock.now()
      return { schema: 'heddle.keys/v1' as const, keys: (await keys.list()).map((key) => keyView(key, now)) }
    },
  )
  const create = {
    summary: 'Make a key',
    description: 'The secret is shown in this answer and never again.',
    tags,
    body: CreateKey,
    response: { 201: CreatedKey },
  }
  app.post('/api/v1/keys', { schema: create, config: admin }, async ({ body }, reply) => {
    const { expiresIn, ...request } = body
    const { key, secret } = await keys.create({
      ...request,
      expiresInMs: expiresIn === undefined ? undefined : durationMsOf(expiresIn),
    })
    return reply.code(201).send({ ...keyView(key, clock.now()), secret })
  })
  const revoke = {
    summary: 'Revoke a key',
    tags,
    params: z.object({ id: z.string().min(1).max(64) }),
    response: { 200: Removed },
  }
  app.delete('/api/v1/keys/:id', { schema: revoke, config: admin }, async ({ params: { id } }) => {
    if (await keys.revoke(asKeyId(id))) return { id, removed: true as const }
    throw new HeddleError('not_found', 'there is no such key, or it is revoked already', {
      param: 'id',
      fix: 'heddle keys ls',
    })
  })
}
