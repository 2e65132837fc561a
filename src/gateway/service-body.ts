/** The body of a request for a service: read as far as routing needs it, kept where another node may have to get it too. */
import { HeddleError } from '../core/errors.ts'
import { limit } from '../core/limits.ts'
import type { MessageBody, MessageHeaders } from '../core/message.ts'
import type { RequestFields } from '../core/routing/identity-groups.ts'
import { fieldsOfJson, fieldsOfJsonPrefix } from '../core/routing/json-fields.ts'
import { decodeUtf8 } from './utf8.ts'

export interface ServiceBody {
  /** Those that were asked for and that the body has. */
  readonly fields: RequestFields
  /** What is sent. A stream can be read once only. */
  readonly content: Uint8Array | MessageBody | undefined
  /** Whether it can be sent (again): always where it is whole, and where nobody has begun to read the stream. */
  isFresh(): boolean
}

export interface BodyWish {
  /** Fields of a JSON body that routing needs. */
  readonly keys: ReadonlySet<string>
  /** The most that is read where all of it must be known; undefined where it need not be. */
  readonly wholeBytes: number | undefined
}

const NO_FIELDS: RequestFields = new Map()

/** @throws HeddleError `payload_too_large` where routing needs more of the body than may be read */
export async function readServiceBody(
  { body, headers }: { readonly body: Uint8Array | MessageBody | undefined; readonly headers: MessageHeaders },
  wish: BodyWish,
): Promise<ServiceBody> {
  const keys = isJson(headers) ? wish.keys : new Set<string>()
  if (body === undefined || body instanceof Uint8Array) return wholeBody(body, keys)
  const announced = announcedBytes(headers)
  if (wish.wholeBytes === undefined && keys.size === 0) {
    // A small body is here soon, and worth keeping.
    if (announced === undefined || announced > limit('serviceReplayBytes')) return streamBody(NO_FIELDS, body)
  }
  return readOn(body, keys, wish.wholeBytes)
}

/** Reads until the fields are settled, or to the end where all must be known. */
async function readOn(
  body: MessageBody,
  keys: ReadonlySet<string>,
  wholeBytes: number | undefined,
): Promise<ServiceBody> {
  const most = wholeBytes ?? limit('jsonBodyBytes')
  const source = body[Symbol.asyncIterator]()
  const chunks: Uint8Array[] = []
  let sizeBytes = 0
  let nextLook = limit('serviceReplayBytes')
  for (;;) {
    const result = await source.next()
    if (result.done === true) return wholeBody(joined(chunks, sizeBytes), keys)
    chunks.push(result.value)
    sizeBytes += result.value.length
    if (sizeBytes > most) throw tooLarge(most, keys)
    if (wholeBytes !== undefined || sizeBytes < nextLook) continue
    // Looked at again when it has doubled, so that reading stays linear.
    nextLook = sizeBytes * 2
    const prefix = joined(chunks, sizeBytes)
    const fields = keys.size === 0 ? NO_FIELDS : fieldsOfJsonPrefix(prefix, keys, decodeUtf8)
    if (fields !== undefined) return streamBody(fields, restOf(prefix, source))
  }
}

function wholeBody(content: Uint8Array | undefined, keys: ReadonlySet<string>): ServiceBody {
  const fields = content === undefined || keys.size === 0 ? NO_FIELDS : fieldsOfJson(decodeUtf8(content), keys)
  return { fields, content, isFresh: () => true }
}

function streamBody(fields: RequestFields, source: MessageBody): ServiceBody {
  let isFresh = true
  const content: MessageBody = {
    [Symbol.asyncIterator]() {
      isFresh = false
      return source[Symbol.asyncIterator]()
    },
  }
  return { fields, content, isFresh: () => isFresh }
}

async function* restOf(first: Uint8Array, source: AsyncIterator<Uint8Array>): AsyncGenerator<Uint8Array> {
  try {
    yield first
    for (;;) {
      const result = await source.next()
      if (result.done === true) return
      yield result.value
    }
  } finally {
    await source.return?.()
  }
}

function joined(chunks: readonly Uint8Array[], sizeBytes: number): Uint8Array {
  return chunks.length === 1 ? (chunks[0] as Uint8Array) : Buffer.concat(chunks, sizeBytes)
}

/** A body without a type is looked at, as OCF does. */
function isJson(headers: MessageHeaders): boolean {
  const type = headers['content-type']
  return type === undefined || /^\s*application\/([\w.+-]+\+)?json\s*(;|$)/i.test(type)
}

function announcedBytes(headers: MessageHeaders): number | undefined {
  const text = headers['content-length']
  return text !== undefined && /^\d{1,15}$/.test(text) ? Number(text) : undefined
}

function tooLarge(most: number, keys: ReadonlySet<string>): HeddleError {
  const [key] = keys
  return new HeddleError('payload_too_large', `the body is larger than ${most} bytes, and routing needs to read it`, {
    fix: key === undefined ? undefined : `say the group in a header: x-heddle-group-${key}: <value>`,
  })
}
