/** Requests to a generic HTTP service at a fixed URL, streamed both ways over undici. */
import { Readable } from 'node:stream'
import type { Pool } from 'undici'
import { HeddleError } from '../../core/errors.ts'
import { asRequestId } from '../../core/ids.ts'
import { limit } from '../../core/limits.ts'
import type { MessageHeaders, MessageRequest, MessageResponse } from '../../core/message.ts'
import { headersForService } from '../../core/routing/service-headers.ts'
import type { ForwarderOptions, ForwardOptions, ServiceForwarder } from '../../ports/service-forwarder.ts'
import { exchange } from './exchange.ts'
import { undici } from './load-undici.ts'
import { parseServiceUrl, type ServiceUrl } from './service-url.ts'

/** What proxies say of a service that is not there; of all other statuses a service is the author. */
const AWAY: ReadonlySet<number> = new Set([502, 503, 504])

export class HttpForwarder implements ServiceForwarder {
  readonly #url: ServiceUrl
  readonly #healthPath: string | undefined
  readonly #pool: Pool
  /** Apart, so that a service whose sockets are all busy is not taken for dead. */
  readonly #checks: Pool

  /** @throws HeddleError `invalid_request` */
  constructor({ url, healthPath }: ForwarderOptions) {
    this.#url = parseServiceUrl(url)
    this.#healthPath = healthPath
    this.#pool = poolFor(this.#url, limit('upstreamConnections'))
    this.#checks = poolFor(this.#url, 1)
  }

  send(request: MessageRequest, { signal, onEnd }: ForwardOptions): Promise<MessageResponse> {
    return this.#exchange(this.#pool, request, { signal, onEnd }, limit('serviceFirstByteMs'))
  }

  async check({ signal }: { readonly signal: AbortSignal }): Promise<void> {
    const request: MessageRequest = {
      id: asRequestId('check'),
      service: 'check',
      method: this.#healthPath === undefined ? 'HEAD' : 'GET',
      path: this.#healthPath ?? '/',
      headers: {},
      body: undefined,
    }
    const options = { signal, onEnd: () => undefined }
    const { status, body } = await this.#exchange(this.#checks, request, options, limit('healthTimeoutMs'))
    await body[Symbol.asyncIterator]().return?.()
    const isGood = this.#healthPath === undefined ? !AWAY.has(status) : status >= 200 && status <= 299
    if (!isGood) throw new HeddleError('runtime_unavailable', `it answered HTTP ${status} to ${request.path}`)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const reason = new HeddleError('runtime_unavailable', 'the service was removed')
    const open = [this.#pool, this.#checks].filter((pool) => !pool.destroyed)
    await Promise.all(open.map((pool) => pool.destroy(reason)))
  }

  #exchange(
    dispatcher: Pool,
    request: MessageRequest,
    { signal, onEnd }: ForwardOptions,
    headersTimeout: number,
  ): Promise<MessageResponse> {
    if (signal.aborted) {
      onEnd()
      return Promise.reject(signal.reason as Error)
    }
    const { origin, pathPrefix } = this.#url
    return exchange({
      dispatcher,
      dispatch: {
        origin,
        path: pathPrefix + request.path,
        method: request.method,
        headers: requestHeaders(request),
        body: requestBody(request.body),
        headersTimeout,
        bodyTimeout: limit('serviceSilenceMs'),
      },
      url: this.#url,
      signal,
      onEnd,
    })
  }
}

function poolFor({ origin }: ServiceUrl, connections: number): Pool {
  return new (undici().Pool)(origin, {
    connections,
    pipelining: 1,
    allowH2: false,
    connectTimeout: limit('connectTimeoutMs'),
    keepAliveTimeout: limit('upstreamIdleMs'),
    keepAliveMaxTimeout: limit('upstreamIdleMs'),
    maxHeaderSize: limit('headerBytes'),
  })
}

/** The length of a stream is kept where it was announced, so that the service need not take chunks. */
function requestHeaders({ headers, body }: MessageRequest): string[] {
  const cleaned: MessageHeaders = headersForService(headers)
  const fields: string[] = []
  for (const name of Object.keys(cleaned)) {
    const value = cleaned[name] as string
    const isLength = name === 'content-length'
    if (isLength && (body === undefined || body instanceof Uint8Array || !/^\d{1,15}$/.test(value))) continue
    fields.push(name, value)
  }
  return fields
}

function requestBody(body: MessageRequest['body']): Uint8Array | Readable | null {
  if (body === undefined) return null
  return body instanceof Uint8Array ? body : Readable.from(body, { objectMode: false })
}
