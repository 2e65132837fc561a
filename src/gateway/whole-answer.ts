/** An answer that is not streamed: checked to be one, its usage read, embeddings in the encoding that the client asked for. */
import { HeddleError } from '../core/errors.ts'
import type { InferenceRequest } from '../core/openai/inference-request.ts'
import { parseUsage, type Usage } from '../core/openai/usage.ts'
import { decodeUtf8 } from './utf8.ts'

export interface WholeAnswer {
  readonly kind: 'whole'
  readonly body: Uint8Array
  readonly usage: Usage | undefined
  readonly finishReason: string | undefined
}

/** @throws HeddleError `upstream_failed` where the bytes are no answer to this request */
export function parseWhole(body: Uint8Array, request: InferenceRequest): WholeAnswer {
  const json = parseObject(body)
  if (json.error !== undefined && json.error !== null)
    throw new HeddleError('upstream_failed', 'the runtime answered HTTP 200 with an error')
  const usage = parseUsage(json.usage)
  if (request.endpoint === 'embeddings') {
    return {
      kind: 'whole',
      body: withEncoding(json, body, request.encodingFormat ?? 'float'),
      usage,
      finishReason: undefined,
    }
  }
  const choice: unknown = Array.isArray(json.choices) ? json.choices[0] : undefined
  if (typeof choice !== 'object' || choice === null)
    throw new HeddleError('upstream_failed', 'the runtime answered without a choice')
  const { finish_reason: finishReason } = choice as { finish_reason?: unknown }
  return { kind: 'whole', body, usage, finishReason: typeof finishReason === 'string' ? finishReason : undefined }
}

function parseObject(body: Uint8Array): Record<string, unknown> {
  try {
    const json: unknown = JSON.parse(decodeUtf8(body))
    if (typeof json === 'object' && json !== null) return json as Record<string, unknown>
  } catch (cause) {
    throw new HeddleError('upstream_failed', 'the runtime answered with something other than JSON', { cause })
  }
  throw new HeddleError('upstream_failed', 'the runtime answered with something other than a JSON object')
}

/** Base64 is little-endian float32, as OpenAI's clients decode it; runtimes that know only one of the two encodings are converted. */
function withEncoding(json: Record<string, unknown>, body: Uint8Array, wanted: 'float' | 'base64'): Uint8Array {
  if (!Array.isArray(json.data)) throw new HeddleError('upstream_failed', 'the runtime answered without embeddings')
  const items = json.data as readonly { readonly embedding?: unknown }[]
  const isWanted = ({ embedding }: { readonly embedding?: unknown }): boolean =>
    wanted === 'base64' ? typeof embedding === 'string' : Array.isArray(embedding)
  if (items.every(isWanted)) return body
  const data = items.map((item) => ({
    ...item,
    embedding: wanted === 'base64' ? toBase64(item.embedding) : toFloats(item.embedding),
  }))
  return Buffer.from(JSON.stringify({ ...json, data }))
}

function toBase64(embedding: unknown): string {
  if (typeof embedding === 'string') return embedding
  if (!Array.isArray(embedding)) throw new HeddleError('upstream_failed', 'the runtime answered without embeddings')
  const bytes = Buffer.alloc(embedding.length * 4)
  for (let index = 0; index < embedding.length; index += 1) bytes.writeFloatLE(Number(embedding[index]), index * 4)
  return bytes.toString('base64')
}

function toFloats(embedding: unknown): readonly unknown[] {
  if (Array.isArray(embedding)) return embedding
  if (typeof embedding !== 'string') throw new HeddleError('upstream_failed', 'the runtime answered without embeddings')
  const bytes = Buffer.from(embedding, 'base64')
  return Array.from({ length: Math.floor(bytes.length / 4) }, (_, index) => bytes.readFloatLE(index * 4))
}
