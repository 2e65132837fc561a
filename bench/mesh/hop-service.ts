/** What the server of a hop does, whatever brings the request: answers 1 KB, streams chunks, takes or gives a large body. */
import { setTimeout as sleep } from 'node:timers/promises'
import { bodyOf } from '../../src/core/byte-channel.ts'
import type { MessageBody, MessageRequest, MessageResponse } from '../../src/core/message.ts'
import {
  BODY_BYTES,
  BODY_CHUNK_BYTES,
  EXCHANGE_BYTES,
  STREAM_CHUNK_BYTES,
  STREAM_CHUNKS,
  STREAM_GAP_MS,
} from './hop-job.ts'

const ANSWER = new Uint8Array(EXCHANGE_BYTES).fill(120)
const JSON_HEADERS = { 'content-type': 'application/json', 'content-length': String(EXCHANGE_BYTES) }

export async function serveHop({ path, body }: Pick<MessageRequest, 'path' | 'body'>): Promise<MessageResponse> {
  if (path === '/stream') return { status: 200, headers: { 'content-type': 'text/event-stream' }, body: chunks() }
  if (path === '/download') return { status: 200, headers: {}, body: largeBody() }
  const bytes = await bytesOf(body)
  if (bytes !== (path === '/upload' ? BODY_BYTES : EXCHANGE_BYTES)) throw new Error(`${path} brought ${bytes} bytes`)
  return { status: 200, headers: JSON_HEADERS, body: bodyOf(ANSWER) }
}

/** Milliseconds of a clock that all processes of a machine share. */
export function sharedMs(): number {
  return Number(process.hrtime.bigint()) / 1e6
}

export async function* largeBody(): AsyncGenerator<Uint8Array> {
  const chunk = new Uint8Array(BODY_CHUNK_BYTES).fill(7)
  for (let sent = 0; sent < BODY_BYTES; sent += BODY_CHUNK_BYTES) yield chunk
}

export async function bytesOf(body: Uint8Array | MessageBody | undefined): Promise<number> {
  if (body === undefined) return 0
  if (body instanceof Uint8Array) return body.length
  let bytes = 0
  for await (const chunk of body) bytes += chunk.length
  return bytes
}

/** Each chunk begins with the time at which it left. */
async function* chunks(): AsyncGenerator<Uint8Array> {
  for (let sent = 0; sent < STREAM_CHUNKS; sent += 1) {
    if (sent > 0) await sleep(STREAM_GAP_MS)
    const chunk = Buffer.alloc(STREAM_CHUNK_BYTES, 46)
    chunk.writeDoubleBE(sharedMs())
    yield chunk
  }
}
