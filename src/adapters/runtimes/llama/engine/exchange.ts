/** One HTTP exchange inside the engine process: what a request says of itself, and how answers and errors are sent. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { ERROR_CODES, HeddleError } from '../../../../core/errors.ts'
import { limit } from '../../../../core/limits.ts'
import { type Body, isObject } from './fields.ts'

/** The parent's clock and ids, so that this process needs neither. */
export const REQUEST_ID_HEADER = 'x-heddle-request'
export const CREATED_HEADER = 'x-heddle-created'

export interface Exchange {
  readonly response: ServerResponse
  /** Aborted when the client is gone. */
  readonly signal: AbortSignal
  readonly requestId: string
  readonly createdSeconds: number
}

export function exchangeOf(request: IncomingMessage, response: ServerResponse): Exchange {
  const abort = new AbortController()
  response.once('close', () => {
    if (!response.writableFinished) abort.abort(new HeddleError('client_closed', 'the client left'))
  })
  return {
    response,
    signal: abort.signal,
    requestId: textHeader(request, REQUEST_ID_HEADER) ?? 'local',
    createdSeconds: Number(textHeader(request, CREATED_HEADER) ?? 0),
  }
}

function textHeader(request: IncomingMessage, name: string): string | undefined {
  const value = request.headers[name]
  return typeof value === 'string' ? value : undefined
}

/** The JSON object that a request carries. */
export async function readBody(request: IncomingMessage): Promise<Body> {
  const chunks: Buffer[] = []
  let sizeBytes = 0
  for await (const chunk of request as AsyncIterable<Buffer>) {
    sizeBytes += chunk.length
    if (sizeBytes > limit('imageBodyBytes')) throw new HeddleError('payload_too_large', 'the request is too large')
    chunks.push(chunk)
  }
  const text = Buffer.concat(chunks, sizeBytes).toString()
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch {
    // The parser's words quote the body.
    throw new HeddleError('malformed_json', 'the body is not JSON')
  }
  if (!isObject(json)) throw new HeddleError('invalid_request', 'the body must be a JSON object')
  return json
}

export function sendJson(
  response: ServerResponse,
  status: number,
  json: string,
  headers: Readonly<Record<string, string>> = {},
): void {
  response.writeHead(status, {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(json),
    ...headers,
  })
  response.end(json)
}

export function sendError(response: ServerResponse, error: HeddleError): void {
  const { retryAfterMs } = error.details
  const headers: Record<string, string> =
    retryAfterMs === undefined ? {} : { 'retry-after': String(Math.ceil(retryAfterMs / 1_000)) }
  sendJson(response, error.status, errorBody(error), headers)
}

/** OpenAI's error body. */
export function errorBody({ code, message, details }: HeddleError): string {
  const { metadata } = details
  return JSON.stringify({
    error: {
      message,
      type: ERROR_CODES[code].type,
      param: details.param ?? null,
      code,
      ...(metadata === undefined ? {} : { metadata }),
    },
  })
}
