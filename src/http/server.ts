/** The listening HTTP server: every request is guarded here, then goes to the inference hot path or to Fastify. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import type { FastifyInstance } from 'fastify'
import { HeddleError } from '../core/errors.ts'
import type { RequestId } from '../core/ids.ts'
import { limit } from '../core/limits.ts'
import type { HeaderPairs } from '../gateway/inbound.ts'
import type { IdSource } from '../ports/id-source.ts'
import type { Logger } from '../ports/logger.ts'
import type { Guard } from './guard.ts'
import { endpointAt, type InferenceDeps, serveInference } from './openai/inference.ts'
import { normalisePath, pathOf } from './path.ts'
import { sendError, sendErrorOnSocket } from './send-error.ts'

export interface ServerDeps extends InferenceDeps {
  readonly ids: IdSource
  readonly log: Logger
  readonly guard: Guard
  /** Takes everything that is not inference; `ready()` must have resolved. */
  readonly app: FastifyInstance
  /** Tells Fastify's side which id a request was given. */
  readonly requestIds: WeakMap<IncomingMessage, RequestId>
  readonly version: string
}

/** Owns the socket; `close` stops accepting and resolves when the last request has ended. */
export class HeddleServer implements AsyncDisposable {
  readonly #deps: ServerDeps
  readonly #server: Server
  readonly #socketsByAddress = new Map<string, number>()
  /** Aborted when a connection closes; one for all its requests, because making one costs as much as routing a request. */
  readonly #leaving = new WeakMap<Socket, AbortSignal>()
  #closing = false

  constructor(deps: ServerDeps) {
    this.#deps = deps
    this.#server = createServer(
      {
        maxHeaderSize: limit('headerBytes'),
        headersTimeout: limit('headersTimeoutMs'),
        requestTimeout: limit('headersTimeoutMs') + limit('bodyTimeoutMs'),
        connectionsCheckingInterval: limit('bodyCheckIntervalMs'),
        keepAliveTimeout: limit('keepAliveMs'),
        noDelay: true,
        insecureHTTPParser: false,
      },
      (request, response) => this.#serve(request, response),
    )
    this.#server.maxRequestsPerSocket = limit('requestsPerSocket')
    // One more than allowed, so that too many are seen instead of silently dropped.
    this.#server.maxHeadersCount = limit('headerFields') + 1
    this.#server.on('connection', (socket) => {
      this.#leaving.set(socket, leavingOf(socket))
      this.#countSocket(socket)
    })
    this.#server.on('clientError', (error, socket) => this.#refuseMalformed(error, socket as Socket))
  }

  /** Resolves with the port in use; rejects with the system's error (`EADDRINUSE`, …). */
  listen(host: string, port: number): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject)
      this.#server.listen({ host, port, backlog: 1024 }, () => {
        this.#server.off('error', reject)
        resolve((this.#server.address() as AddressInfo).port)
      })
    })
  }

  /** Stops accepting; running requests go on until they end. */
  close(): Promise<void> {
    this.#closing = true
    return new Promise((resolve) => {
      this.#server.close(() => resolve())
      this.#server.closeIdleConnections()
    })
  }

  /** Cuts what still runs. */
  async [Symbol.asyncDispose](): Promise<void> {
    const closed = this.close()
    this.#server.closeAllConnections()
    await closed
  }

  #serve(request: IncomingMessage, response: ServerResponse): void {
    const { ids, guard, version } = this.#deps
    const id = ids.requestId()
    const verdict = guard({
      method: request.method ?? 'GET',
      url: request.url ?? '/',
      headers: request.headers,
      localAddress: request.socket.localAddress,
    })
    const common = ['x-request-id', id, 'x-heddle-version', version, ...verdict.headers]
    if (this.#closing) common.push('connection', 'close')
    const clientId = request.headers['x-client-request-id']
    if (typeof clientId === 'string' && CLIENT_ID.test(clientId)) common.push('x-client-request-id', clientId)
    if (verdict.kind === 'refused') {
      this.#refuse(request, response, verdict.error, common)
      return
    }
    if (verdict.kind === 'preflight') {
      response.writeHead(204, common)
      response.end()
      return
    }
    this.#route(id, request, response, common)
  }

  #route(id: RequestId, request: IncomingMessage, response: ServerResponse, common: HeaderPairs): void {
    const url = request.url ?? '/'
    if (url.length > limit('urlBytes')) {
      this.#refuse(
        request,
        response,
        new HeddleError('uri_too_long', `the URL is longer than ${limit('urlBytes')} bytes`),
        common,
      )
      return
    }
    if (request.rawHeaders.length > limit('headerFields') * 2) {
      this.#refuse(
        request,
        response,
        new HeddleError('headers_too_large', `more than ${limit('headerFields')} header fields`),
        common,
      )
      return
    }
    const target = endpointAt(url) === undefined ? normalisePath(url) : url
    const endpoint = request.method === 'POST' ? endpointAt(pathOf(target)) : undefined
    if (endpoint !== undefined) {
      const signal = this.#leaving.get(request.socket) ?? leavingOf(request.socket)
      void serveInference(this.#deps, endpoint, id, request, response, common, { signal })
      return
    }
    this.#deps.requestIds.set(request, id)
    for (let index = 0; index < common.length; index += 2)
      response.setHeader(common[index] as string, common[index + 1] as string)
    this.#deps.app.routing(request, response)
  }

  #refuse(request: IncomingMessage, response: ServerResponse, error: HeddleError, common: HeaderPairs): void {
    sendError(response, error, common)
    request.resume()
  }

  #refuseMalformed(error: NodeJS.ErrnoException, socket: Socket): void {
    if (error.code === 'ECONNRESET') {
      socket.destroy()
      return
    }
    const id = this.#deps.ids.requestId()
    const { refusal, reason } = malformed(error.code)
    sendErrorOnSocket(socket, refusal, reason, ['x-request-id', id])
    this.#deps.log.debug({ requestId: id, code: error.code }, 'malformed request refused')
  }

  /** One remote address may not take every descriptor; this machine's own programs may. */
  #countSocket(socket: Socket): void {
    const address = socket.remoteAddress ?? ''
    if (isLoopback(address)) return
    const count = (this.#socketsByAddress.get(address) ?? 0) + 1
    if (count > limit('socketsPerAddress')) {
      socket.destroy()
      return
    }
    this.#socketsByAddress.set(address, count)
    socket.on('close', () => {
      const left = (this.#socketsByAddress.get(address) ?? 1) - 1
      if (left === 0) this.#socketsByAddress.delete(address)
      else this.#socketsByAddress.set(address, left)
    })
  }
}

/** Aborted when the client's connection closes. */
function leavingOf(socket: Socket): AbortSignal {
  const leaving = new AbortController()
  const leave = (): void => leaving.abort(new HeddleError('client_closed', 'the client closed the connection'))
  if (socket.destroyed) leave()
  else socket.once('close', leave)
  return leaving.signal
}

const CLIENT_ID = /^[\x21-\x7e]{1,128}$/

/** Whether an address is this machine's own, which limits against strangers do not concern. */
export function isLoopback(address: string): boolean {
  return address === '::1' || address.startsWith('127.') || address.startsWith('::ffff:127.')
}

function malformed(code: string | undefined): { readonly refusal: HeddleError; readonly reason: string } {
  switch (code) {
    case 'HPE_HEADER_OVERFLOW':
      return {
        refusal: new HeddleError('headers_too_large', `the headers are larger than ${limit('headerBytes')} bytes`),
        reason: 'Request Header Fields Too Large',
      }
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return {
        refusal: new HeddleError('request_timeout', 'the request took too long to arrive', { shouldRetry: false }),
        reason: 'Request Timeout',
      }
    default:
      return { refusal: new HeddleError('invalid_request', 'the request is not valid HTTP/1.1'), reason: 'Bad Request' }
  }
}
