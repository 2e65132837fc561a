/** The request body as the provider gets it: the client's bytes, plus the wish to be told the usage of a stream. */
import type { InferenceRequest } from '../core/openai/inference-request.ts'

const OPEN_BRACE = 123
const WISH = Buffer.from('"stream_options":{"include_usage":true},')

/**
 * Streams are asked for their usage even where the client did not, because the request log and the limits need it; the scanner
 * takes that chunk out again. The client's bytes are spliced, not serialised anew, so that big numbers survive.
 */
export function bodyForProvider(request: InferenceRequest): Uint8Array {
  const { body } = request
  if (!request.stream || request.includeUsage) return body
  if (request.hasStreamOptions) return withRewrittenOptions(body)
  const open = body.indexOf(OPEN_BRACE)
  return Buffer.concat([body.subarray(0, open + 1), WISH, body.subarray(open + 1)])
}

function withRewrittenOptions(body: Uint8Array): Uint8Array {
  const json = JSON.parse(Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString('utf8')) as {
    stream_options?: object
  }
  return Buffer.from(JSON.stringify({ ...json, stream_options: { ...json.stream_options, include_usage: true } }))
}
