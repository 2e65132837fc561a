/** `/docs`: Scalar's API reference, from this machine only. Its bundle is loaded when somebody first looks: it costs 26 MB of memory. */
import Fastify, { type FastifyInstance } from 'fastify'
import { hashSource } from './front-page.ts'
import type { ZodApp } from './zod-app.ts'

/** Everything that would reach beyond this node is off; what a later bundle might add, the policy below stops. */
const CONFIGURATION = {
  pageTitle: 'Heddle API',
  url: '/openapi.json',
  cdn: '/docs/js/scalar.js',
  withDefaultFonts: false,
  telemetry: false,
  hideClientButton: true,
  showDeveloperTools: 'never',
  showToolbar: 'never',
  persistAuth: false,
  agent: { disabled: true, hideAddApi: true },
  mcp: { disabled: true },
  externalUrls: { dashboardUrl: '', registryUrl: '', proxyUrl: '', apiBaseUrl: '' },
} as const

const INLINE_SCRIPT = /<script type="text\/javascript">([\s\S]*?)<\/script>/g

/** Scripts of this origin and the page's own initialisation; connections to this origin. Scalar writes styles into the page at run time. */
function policyOf(html: string): string {
  const inline = [...html.matchAll(INLINE_SCRIPT)].map((match) => hashSource(match[1] ?? ''))
  return [
    "default-src 'none'",
    `script-src 'self' ${inline.join(' ')}`.trim(),
    "style-src 'self' 'unsafe-inline'",
    "img-src 'self' data:",
    "font-src 'self' data:",
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join('; ')
}

export function docsRoutes(app: ZodApp): void {
  const reference = lazily(openReference)
  app.addHook('onClose', async () => {
    await (await reference.opened)?.close()
  })
  const config = { access: 'public' as const }
  app.get('/openapi.json', { schema: { summary: 'This description', tags: ['Pages'] }, config }, async () =>
    app.swagger(),
  )
  app.get('/docs', { schema: { summary: 'The API reference', tags: ['Pages'] }, config }, async (_request, reply) => {
    const { payload } = await (await reference.open()).inject({ method: 'GET', url: '/docs/' })
    return reply
      .header('content-security-policy', policyOf(payload))
      .header('referrer-policy', 'no-referrer')
      .type('text/html; charset=utf-8')
      .send(payload)
  })
  app.get('/docs/js/scalar.js', { schema: { hide: true }, config }, async (_request, reply) => {
    const { rawPayload } = await (await reference.open()).inject({ method: 'GET', url: '/docs/js/scalar.js' })
    return reply
      .header('cache-control', 'private, max-age=3600')
      .type('text/javascript; charset=utf-8')
      .send(rawPayload)
  })
}

/** An app of its own, because routes cannot be added to one that is running. */
async function openReference(): Promise<FastifyInstance> {
  const { default: scalar } = await import('@scalar/fastify-api-reference')
  const app = Fastify({ logger: false })
  await app.register(scalar, { routePrefix: '/docs', configuration: CONFIGURATION })
  await app.ready()
  return app
}

function lazily<T>(make: () => Promise<T>): { open(): Promise<T>; readonly opened: Promise<T> | undefined } {
  let made: Promise<T> | undefined
  return {
    open: () => (made ??= make()),
    get opened() {
      return made
    },
  }
}
