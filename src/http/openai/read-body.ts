/** Reads a JSON request body within its bounds of size, time and rate. */
import { isUtf8 } from 'node:buffer'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { HeddleError } from '../../core/errors.ts'
import { limit } from '../../core/limits.ts'
import { nestsDeeperThan } from '../../core/openai/json-depth.ts'
import type { InboundBody } from '../../gateway/inbound.ts'
import type { SlowBodies } from './slow-bodies.ts'

/** Parts that may make a body as large as `imageBodyBytes`. */
const MEDIA_MARKS = ['"image_url"', '"input_audio"', '"file"'] as const
/** What nests in this little costs the parser a few milliseconds at most. */
const SMALL_BODY_BYTES = 16 * 1024

/** @throws HeddleError `payload_too_large`, `malformed_json`, `invalid_request`, `request_timeout` or `client_closed` */
export async function readJsonBody(
  { slowBodies }: { readonly slowBodies: SlowBodies },
  request: IncomingMessage,
  response: ServerResponse,
): Promise<InboundBody> {
  return parseJsonBody(await readAll(slowBodies, request, response))
}

/** @throws HeddleError `payload_too_large`, `malformed_json` or `invalid_request` */
export function parseJsonBody(bytes: Buffer): InboundBody {
  if (bytes.length > limit('jsonBodyBytes') && !MEDIA_MARKS.some((mark) => bytes.includes(mark))) {
    throw tooLarge(limit('jsonBodyBytes'))
  }
  if (bytes.length === 0) throw new HeddleError('malformed_json', 'the body is empty; send a JSON object')
  if (!isUtf8(bytes)) throw new HeddleError('malformed_json', 'the body is not valid UTF-8')
  // A small body is parsed before its depth is looked at; of a large one the parser would make millions of objects first.
  if (bytes.length > SMALL_BODY_BYTES && nestsDeeperThan(bytes, limit('jsonDepth'))) {
    throw new HeddleError('invalid_request', `the body nests deeper than ${limit('jsonDepth')} levels`)
  }
  try {
    return { bytes, json: JSON.parse(bytes.toString('utf8')) }
  } catch (error) {
    // V8's message quotes the input, so only the position is told.
    const position = error instanceof Error ? /position (\d+)/.exec(error.message)?.[1] : undefined
    throw new HeddleError(
      'malformed_json',
      `the body is not valid JSON${position === undefined ? '' : ` (at character ${position})`}`,
    )
  }
}

function readAll(slowBodies: SlowBodies, request: IncomingMessage, response: ServerResponse): Promise<Buffer> {
  const maxBytes = limit('imageBodyBytes')
  const declared = Number(request.headers['content-length'] ?? Number.NaN)
  if (declared > maxBytes) return Promise.reject(tooLarge(maxBytes))
  if (request.headers.expect !== undefined) response.writeContinue()
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    let bytes = 0
    let watch: Disposable | undefined
    const settle = (act: () => void): void => {
      watch?.[Symbol.dispose]()
      request.off('data', onData).off('end', onEnd).off('close', onClose)
      act()
    }
    const onData = (chunk: Buffer): void => {
      bytes += chunk.length
      chunks.push(chunk)
      if (bytes > maxBytes) settle(() => reject(tooLarge(maxBytes)))
      // A body that is here at once, as nearly all are, is never watched.
      else if (watch === undefined && !(bytes >= declared)) {
        watch = slowBodies.watch({ received: () => bytes, tooSlow: () => settle(() => reject(tooSlow())) })
      }
    }
    const onEnd = (): void =>
      settle(() => resolve(chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks, bytes)))
    const onClose = (): void =>
      settle(() => reject(new HeddleError('client_closed', 'the client left before its body was here')))
    request.on('data', onData).on('end', onEnd).on('close', onClose)
  })
}

function tooLarge(maxBytes: number): HeddleError {
  return new HeddleError('payload_too_large', `the body is larger than ${maxBytes} bytes`, {
    metadata: { limit_bytes: maxBytes },
  })
}

function tooSlow(): HeddleError {
  const rate = limit('bodyMinBytesPerSecond')
  return new HeddleError('request_timeout', `the body came slower than ${rate} bytes a second`, { shouldRetry: false })
}
