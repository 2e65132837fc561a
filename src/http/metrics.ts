/** `/metrics`: Prometheus text, or OpenMetrics for those who ask. */
import { z } from 'zod'
import type { AppDeps } from './admin/deps.ts'
import type { ZodApp } from './zod-app.ts'

const PROMETHEUS = 'text/plain; version=0.0.4; charset=utf-8'
const OPEN_METRICS = 'application/openmetrics-text; version=1.0.0; charset=utf-8'

export function metricsRoutes(app: ZodApp, { metrics }: Pick<AppDeps, 'metrics'>): void {
  const schema = {
    summary: 'Metrics',
    description: 'Needs no key from this machine, or from anywhere with `http.metrics_public`.',
    tags: ['Health'],
    response: {
      200: {
        description: 'Prometheus text, or OpenMetrics when asked for',
        content: { 'text/plain': { schema: z.string() } },
      },
    },
  }
  app.get('/metrics', { schema, config: { access: 'metrics' } }, async (request, reply) => {
    const openMetrics = /application\/openmetrics-text/i.test(request.headers.accept ?? '')
    const body = await metrics.text(openMetrics)
    return reply
      .header('vary', 'accept')
      .header('content-type', openMetrics ? OPEN_METRICS : PROMETHEUS)
      .send(body)
  })
}
