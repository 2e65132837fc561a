/** The admin API about past requests: who served them and how it went. */
import { z } from 'zod'
import { HeddleError } from '../../core/errors.ts'
import { asRequestId, asUnixMs } from '../../core/ids.ts'
import { RequestList, RequestsQuery, RequestView } from '../../core/wire/admin-accounts.ts'
import type { ZodApp } from '../zod-app.ts'
import type { AppDeps } from './deps.ts'
import { requestView } from './views.ts'

export function requestRoutes(app: ZodApp, { requests }: Pick<AppDeps, 'requests'>): void {
  const tags = ['Requests']
  const config = { access: 'read' as const }
  const list = {
    summary: 'Past requests, newest first',
    tags,
    querystring: RequestsQuery,
    response: { 200: RequestList },
  }
  app.get('/api/v1/requests', { schema: list, config }, async ({ query }) => {
    await requests.flush() // whoever has just been answered may look at once
    const { before, ...rest } = query
    const records = await requests.latest({
      ...rest,
      before: before === undefined ? undefined : asUnixMs(Date.parse(before)),
    })
    return { schema: 'heddle.requests/v1' as const, requests: records.map(requestView) }
  })
  const one = {
    summary: 'One request, or `last`',
    tags,
    params: z.object({ id: z.string().min(1).max(64) }),
    response: { 200: RequestView },
  }
  app.get('/api/v1/requests/:id', { schema: one, config }, async ({ params: { id } }) => {
    await requests.flush()
    const record = id === 'last' ? (await requests.latest({ limit: 1 }))[0] : await requests.find(asRequestId(id))
    if (record !== undefined) return requestView(record)
    throw new HeddleError('not_found', 'there is no such request in the log; it may be older than its retention', {
      param: 'id',
    })
  })
}
