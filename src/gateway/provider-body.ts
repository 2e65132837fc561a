/** The request body as the provider gets it: the client's bytes, plus the wish to be told the usage of a stream. */
import type { InferenceRequest } from '../core/openai/inference-request.ts'
import { decodeUtf8 } from './utf8.ts'

const OPEN_BRACE = 123
const WISH = Buffer.from('"stream_options":{"include_usage":true},')

export interface ProviderBodyOptions {
  /** Whether something was decided by what the body says, e.g. that this key may use this model. */
  readonly isJudged: boolean
}

/**
 * Streams are asked for their usage even where the client did not, because the request log and the limits need it; the scanner
 * takes that chunk out again. The client's bytes are spliced, not serialised anew, so that big numbers survive; but where a key is
 * bound to models the provider gets what was judged, since a name that stands twice in the bytes may be read differently there.
 */
export function bodyForProvider(request: InferenceRequest, { isJudged }: ProviderBodyOptions): Uint8Array {
  const { body } = request
  const asks = request.stream && !request.includeUsage
  if (isJudged || (asks && request.hasStreamOptions)) return rewritten(body, asks)
  if (!asks) return body
  const open = body.indexOf(OPEN_BRACE)
  return Buffer.concat([body.subarray(0, open + 1), WISH, body.subarray(open + 1)])
}

function rewritten(body: Uint8Array, asks: boolean): Uint8Array {
  const json = JSON.parse(decodeUtf8(body)) as {
    stream_options?: object
  }
  if (!asks) return Buffer.from(JSON.stringify(json))
  return Buffer.from(JSON.stringify({ ...json, stream_options: { ...json.stream_options, include_usage: true } }))
}
