/** The HTTP/1.1 pool before a server that sends what it is told, and what tests of it ask for. */
import type { TestContext } from 'node:test'
import { readWhole } from '../../src/adapters/runtimes/http-exchange.ts'
import { Http1Pool } from '../../src/adapters/runtimes/http1/pool.ts'
import { HeddleError } from '../../src/core/errors.ts'
import { asRequestId } from '../../src/core/ids.ts'
import type { MessageRequest, MessageResponse } from '../../src/core/message.ts'
import { type RawAnswer, type RawRequest, rawHttpServer } from './raw-http-server.ts'

export function plainRequest(path: string, body?: MessageRequest['body']): MessageRequest {
  const method = body === undefined ? 'GET' : 'POST'
  return { id: asRequestId('req_1'), service: 'llm', method, path, headers: {}, body }
}

/** A server, a pool, and a way to ask that counts how often each exchange ended. */
export async function openPool(
  t: TestContext,
  answer: (request: RawRequest) => RawAnswer | undefined,
  connections = 100,
) {
  const server = await rawHttpServer(answer)
  const pool = new Http1Pool({ origin: server.origin, connections })
  t.after(async () => {
    await pool.destroy()
    await server[Symbol.asyncDispose]()
  })
  const ends: (string | undefined)[] = []
  const ask = (message: MessageRequest | string, signal = t.signal): Promise<MessageResponse> =>
    pool.exchange(typeof message === 'string' ? plainRequest(message) : message, {
      origin: server.origin,
      signal,
      headersTimeoutMs: 5_000,
      bodyTimeoutMs: 5_000,
      onEnd: (failure) => ends.push(failure?.code),
    })
  const read = async (message: MessageRequest | string, signal?: AbortSignal): Promise<string> =>
    (await readWhole((await ask(message, signal)).body, 1e8)).toString()
  return { server, pool, ends, ask, read }
}

export const okAnswer = (body: string, ...lines: string[]): string =>
  `HTTP/1.1 200 OK\r\n${lines.map((line) => `${line}\r\n`).join('')}content-length: ${body.length}\r\n\r\n${body}`
export const hasCode = (code: string) => (error: unknown) => error instanceof HeddleError && error.code === code
