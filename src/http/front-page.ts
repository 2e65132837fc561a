/** `GET /`: one line for curl, a small page for a browser. */
import { createHash } from 'node:crypto'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { z } from 'zod'
import type { AppDeps } from './admin/deps.ts'
import type { ZodApp } from './zod-app.ts'

const STYLE =
  'body{font:16px/1.5 system-ui,sans-serif;max-width:40em;margin:3em auto;padding:0 1em;color-scheme:light dark}code{font-size:.95em}'

/** A CSP source that allows exactly this inline text. */
export const hashSource = (text: string): string => `'sha256-${createHash('sha256').update(text).digest('base64')}'`

const POLICY = `default-src 'none'; style-src ${hashSource(STYLE)}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`

export function frontPage(app: ZodApp, { status }: Pick<AppDeps, 'status'>): void {
  const schema = {
    summary: 'What this is',
    tags: ['Pages'],
    response: {
      200: {
        description: 'One line, or a page',
        content: { 'text/plain': { schema: z.string() }, 'text/html': { schema: z.string() } },
      },
    },
  }
  app.get('/', { schema, config: { access: 'public' } }, async (request, reply) => {
    const { state, version, http } = status()
    reply.header('vary', 'accept')
    if (!wantsHtml(request))
      return text(
        reply,
        `heddle ${version} is ${state}; the OpenAI API is at ${http.url}/v1, its description at ${http.url}/docs\n`,
      )
    return reply
      .header('content-security-policy', POLICY)
      .header('referrer-policy', 'no-referrer')
      .type('text/html; charset=utf-8')
      .send(page({ state, version, url: http.url }))
  })
}

const text = (reply: FastifyReply, line: string): FastifyReply => reply.type('text/plain; charset=utf-8').send(line)

const wantsHtml = (request: FastifyRequest): boolean => /\btext\/html\b/i.test(request.headers.accept ?? '')

function page({
  state,
  version,
  url,
}: {
  readonly state: string
  readonly version: string
  readonly url: string
}): string {
  const base = escapeHtml(`${url}/v1`)
  return `<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>Heddle</title><meta name="viewport" content="width=device-width, initial-scale=1"><style>${STYLE}</style></head>
<body>
<main>
<h1>Heddle</h1>
<p>This node is <strong>${escapeHtml(state)}</strong> (version ${escapeHtml(version)}).</p>
<p>OpenAI base URL: <code>${base}</code>. A key is printed by <code>heddle env</code>.</p>
<ul>
<li><a href="/docs/">API reference</a> and <a href="/openapi.json">its OpenAPI document</a></li>
<li><a href="/readyz?verbose">Can it serve a request?</a></li>
<li><code>heddle status</code> tells more</li>
</ul>
</main>
</body>
</html>
`
}

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
}

const escapeHtml = (value: string): string => value.replace(/[&<>"']/g, (character) => ENTITIES[character] ?? '')
