/** One try at one candidate, up to the point from which the client gets bytes. */
import { HeddleError } from '../core/errors.ts'
import { limit } from '../core/limits.ts'
import type { MessageRequest, MessageResponse } from '../core/message.ts'
import type { InferenceRequest } from '../core/openai/inference-request.ts'
import { SseScanner, type StreamFault } from '../core/openai/sse-scanner.ts'
import { beginningOf } from '../core/openai/stream-beginning.ts'
import { upstreamError } from '../core/openai/upstream-error.ts'
import type { Candidate } from '../core/routing/candidate.ts'
import type { GatewayDeps } from './deps.ts'
import { decodeUtf8 } from './utf8.ts'
import { parseWhole, type WholeAnswer } from './whole-answer.ts'

/** A stream that has begun to say something, so that the client can be promised an answer. */
export interface StreamAnswer {
  readonly kind: 'stream'
  readonly first: Uint8Array
  readonly rest: AsyncIterator<Uint8Array>
  readonly scanner: SseScanner
}

export type Answer = StreamAnswer | WholeAnswer

const ERROR_BODY_BYTES = 64 * 1024
/** More than this of roles and comments is passed on as it is. */
const HELD_BYTES = 64 * 1024
const NOTHING = new Uint8Array(0)
const GARBAGE: StreamFault = { kind: 'garbage' }

/**
 * @throws HeddleError with `retry: next-candidate` where another candidate may do better; the client's own fault otherwise
 */
export async function attempt(
  { connectors }: Pick<GatewayDeps, 'connectors'>,
  candidate: Candidate,
  request: InferenceRequest,
  message: MessageRequest,
  { signal }: { readonly signal: AbortSignal },
): Promise<Answer> {
  const connector = connectors.get(candidate.connector)
  if (connector === undefined)
    throw new HeddleError('runtime_unavailable', `no ${candidate.connector} connector on this node`)
  const response = await connector.send(candidate, message, { signal })
  if (response.status < 200 || response.status > 299) throw await refusalOf(response)
  if (!request.stream) return parseWhole(await collect(response, limit('upstreamBodyBytes')), request)
  if (!response.headers['content-type']?.startsWith('text/event-stream')) {
    await response.body[Symbol.asyncIterator]().return?.()
    throw new HeddleError('upstream_failed', 'the runtime did not answer with an event stream')
  }
  return firstEvent(response, request)
}

/** Waits until the answer begins: a runtime that breaks before it can still be replaced in silence. */
async function firstEvent(response: MessageResponse, request: InferenceRequest): Promise<StreamAnswer> {
  const scanner = new SseScanner({ decode: decodeUtf8, keepUsage: request.includeUsage })
  const rest = response.body[Symbol.asyncIterator]()
  let held: Uint8Array = NOTHING
  for (;;) {
    const result = await rest.next()
    if (result.done === true) throw saidNothing()
    const bytes = scanner.push(result.value)
    held = held.length === 0 ? bytes : Buffer.concat([held, bytes])
    const beginning = held.length > HELD_BYTES ? 'something' : beginningOf(decodeUtf8(held))
    const fault = beginning === 'garbage' ? GARBAGE : scanner.fault
    if (fault !== undefined && beginning !== 'something') {
      await rest.return?.()
      throw faultBeforeFirst(fault)
    }
    if (beginning === 'something') return { kind: 'stream', first: held, rest, scanner }
    if (scanner.done) {
      await rest.return?.()
      throw saidNothing()
    }
  }
}

const saidNothing = (): HeddleError =>
  new HeddleError('upstream_failed', 'the runtime ended its stream before it said anything')

function faultBeforeFirst(fault: StreamFault): HeddleError {
  if (fault.kind === 'garbage')
    return new HeddleError('upstream_failed', 'the runtime sent something other than events')
  const { error } = fault
  const code =
    typeof error === 'object' && error !== null
      ? ((error as { code?: unknown }).code ?? (error as { status?: unknown }).status)
      : undefined
  return upstreamError(typeof code === 'number' && code >= 400 && code <= 599 ? code : 500, { error }, undefined)
}

async function refusalOf(response: MessageResponse): Promise<HeddleError> {
  const bytes = await collect(response, ERROR_BODY_BYTES).catch(() => new Uint8Array(0))
  return upstreamError(response.status, parseJson(bytes), retryAfterOf(response.headers['retry-after']))
}

function parseJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(decodeUtf8(bytes))
  } catch {
    return undefined
  }
}

/** Only the form in seconds; the runtimes we know send no dates. */
function retryAfterOf(value: string | undefined): number | undefined {
  const seconds = Number(value)
  return value !== undefined && Number.isFinite(seconds) && seconds >= 0 ? seconds * 1000 : undefined
}

/** The whole body; one that is larger than `maxBytes` is given up. */
async function collect(response: MessageResponse, maxBytes: number): Promise<Uint8Array> {
  const chunks: Uint8Array[] = []
  let bytes = 0
  for await (const chunk of response.body) {
    bytes += chunk.length
    if (bytes > maxBytes)
      throw new HeddleError('upstream_failed', `the runtime's answer is larger than ${maxBytes} bytes`)
    chunks.push(chunk)
  }
  return chunks.length === 1 ? (chunks[0] as Uint8Array) : Buffer.concat(chunks, bytes)
}
