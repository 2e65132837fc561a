/** `/openapi.json`: the description of every route, made from the schemas that check it. */
import swagger from '@fastify/swagger'
import type { FastifySchema } from 'fastify'
import { jsonSchemaTransform, jsonSchemaTransformObject } from 'fastify-type-provider-zod'
import type { Access } from './access.ts'
import type { AppDeps } from './admin/deps.ts'
import type { ZodApp } from './zod-app.ts'

const DESCRIPTION = `The OpenAI API under \`/v1\` serves inference; the admin API under \`/api/v1\` is what the command line works over.
Every answer outside 2xx carries OpenAI's error body.`

const ERROR_RESPONSE = {
  description: "What went wrong, as OpenAI's API says it",
  content: { 'application/json': { schema: { $ref: '#/components/schemas/ErrorBody' } } },
}

const KEYS = [{ bearer: [] }, { apiKey: [] }]

type Transform = typeof jsonSchemaTransform
type Described = ReturnType<Transform>

/** Must come before the routes that it describes. */
export function describeRoutes(app: ZodApp, { version }: Pick<AppDeps, 'version'>): void {
  void app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'Heddle',
        description: DESCRIPTION,
        version: version().version,
        license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
      },
      servers: [{ url: '/' }],
      tags: [
        { name: 'OpenAI', description: 'Inference and the list of models' },
        { name: 'OCF', description: "The node table and health check of OCF's dialect" },
        { name: 'Node', description: 'Status, configuration, logs and shutdown' },
        { name: 'Models', description: 'Models of this node, and pulling them' },
        { name: 'Runtimes', description: 'The inference programs behind this node' },
        { name: 'Services', description: 'Any HTTP service, offered to the network by name' },
        { name: 'Keys', description: 'API keys' },
        { name: 'Requests', description: 'What became of past requests; never what was said' },
        { name: 'Health', description: 'Probes and metrics' },
        { name: 'Pages', description: 'For people' },
      ],
      components: {
        securitySchemes: {
          bearer: { type: 'http', scheme: 'bearer', description: 'An API key: `Authorization: Bearer sk-heddle-…`' },
          apiKey: { type: 'apiKey', in: 'header', name: 'x-api-key' },
        },
      },
    },
    transform: describeRoute,
    transformObject: jsonSchemaTransformObject,
  })
}

function describeRoute(input: Parameters<Transform>[0]): Described {
  const described = jsonSchemaTransform(input)
  const schema = described.schema as FastifySchema & Record<string, unknown>
  if (schema === undefined || schema['hide'] === true) return described
  const access: Access = input.route.config?.access ?? 'admin'
  schema['security'] = access === 'public' ? [] : access === 'metrics' ? [{}, ...KEYS] : KEYS
  if (access !== 'public') schema['x-heddle-scope'] = access === 'metrics' ? 'read' : access
  schema.response = { ...(schema.response as object | undefined), default: ERROR_RESPONSE }
  return { ...described, ...namedRest(described.url, schema) }
}

/** OpenAPI has no wildcard: `/models/*` is shown as `/models/{id}`, though the id may hold slashes. */
function namedRest(url: string, schema: FastifySchema & Record<string, unknown>): Partial<Described> {
  if (!url.endsWith('/*')) return {}
  const params = schema.params as { properties?: Record<string, unknown>; required?: string[] } | undefined
  const rest = params?.properties?.['*']
  const properties = {
    id: { ...(rest as object | undefined), description: 'May hold `/`, `:` and `@`, percent-encoded or not' },
  }
  return {
    url: `${url.slice(0, -1)}:id`,
    schema: { ...schema, params: { type: 'object', properties, required: ['id'] } },
  }
}
