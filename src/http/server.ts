/** The listening HTTP server: every request is guarded here, then goes to the inference hot path or to Fastify. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { type AddressInfo, createServer as createListener, type Server as Listener, type Socket } from 'node:net'
import type { FastifyInstance } from 'fastify'
import { HeddleError } from '../core/errors.ts'
import type { RequestId } from '../core/ids.ts'
import { limit } from '../core/limits.ts'
import type { HeaderPairs } from '../gateway/inbound.ts'
import type { IdSource } from '../ports/id-source.ts'
import type { Logger } from '../ports/logger.ts'
import { Connection } from './connection.ts'
import { echoedId } from './echoed-id.ts'
import type { Guard } from './guard.ts'
import { httpDate } from './lean/http-date.ts'
import { LeanConnection } from './lean/lean-connection.ts'
import type { LeanRequest } from './lean/lean-request.ts'
import { type LeanDeps, serveLean } from './lean/serve-lean.ts'
import { type ForwardDeps, serveOcf } from './ocf/forward.ts'
import { parseOcfTarget } from './ocf/ocf-target.ts'
import { endpointAt, serveInference } from './openai/inference.ts'
import { normalisePath, pathOf } from './path.ts'
import { requestFault } from './request-faults.ts'
import { sendError } from './send-error.ts'

export interface ServerDeps extends ForwardDeps {
  readonly ids: IdSource
  readonly log: Logger
  readonly guard: Guard
  /** Takes everything that is not inference; `ready()` must have resolved. */
  readonly app: FastifyInstance
  /** Tells Fastify's side which id a request was given. */
  readonly requestIds: WeakMap<IncomingMessage, RequestId>
  readonly version: string
}

/** Owns the socket; `drain`, then `close`, lets everything end in peace. */
export class HeddleServer implements AsyncDisposable {
  readonly #deps: ServerDeps
  readonly #lean: LeanDeps
  /** Accepts; plain inference requests are answered straight from its sockets. */
  readonly #listener: Listener
  /** Takes every connection on which anything else is asked; it does not listen itself. */
  readonly #server: Server
  readonly #connections = new Map<Socket, Connection>()
  readonly #socketsByAddress = new Map<string, number>()
  readonly #drained = Promise.withResolvers<void>()
  /** Inference requests that run. */
  #running = 0
  #draining = false

  constructor(deps: ServerDeps) {
    this.#deps = deps
    this.#lean = { ...deps, clock: deps.gateway.clock, date: httpDate(deps.gateway.clock) }
    this.#server = createServer({
      maxHeaderSize: limit('headerBytes'),
      headersTimeout: limit('headersTimeoutMs'),
      // Uploads to services may take their time; all other bodies are watched by us.
      requestTimeout: 0,
      connectionsCheckingInterval: limit('bodyCheckIntervalMs'),
      keepAliveTimeout: limit('keepAliveMs'),
      noDelay: true,
      insecureHTTPParser: false,
      // Refused by us, with a body.
      requireHostHeader: false,
    })
    // One more than allowed, so that too many are seen instead of silently dropped.
    this.#server.maxHeadersCount = limit('headerFields') + 1
    this.#listener = createListener({ allowHalfOpen: true, noDelay: true }, (socket) => this.#connected(socket))
    // Whoever waits for leave to send its body gets it when the body is wanted; other expectations mean nothing here.
    for (const event of ['request', 'checkContinue', 'checkExpectation'] as const) {
      this.#server.on(event, (request, response) => this.#serve(request, response))
    }
    this.#server.on('clientError', (error, socket) => this.#refuseMalformed(error, socket as Socket))
  }

  /** Resolves with the port in use; rejects with the system's error (`EADDRINUSE`, …). */
  listen(host: string, port: number): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#listener.once('error', reject)
      this.#listener.listen({ host, port, backlog: 1024 }, () => {
        this.#listener.off('error', reject)
        // Node's server begins to watch its connections for slowness at this event, which only listening gives it.
        this.#server.emit('listening')
        resolve((this.#listener.address() as AddressInfo).port)
      })
    })
  }

  /** From now on inference is refused with `draining`, all else is answered; resolves when the running requests have ended. */
  drain(): Promise<void> {
    this.#draining = true
    if (this.#running === 0) this.#drained.resolve()
    return this.#drained.promise
  }

  /** Stops accepting; running requests go on until they end. */
  close(): Promise<void> {
    return new Promise((resolve) => {
      this.#listener.close(() => resolve())
      // It never listened; this only ends its checks of slow connections.
      this.#server.close()
      for (const connection of this.#connections.values()) connection.close()
    })
  }

  /** Cuts what still runs. */
  async [Symbol.asyncDispose](): Promise<void> {
    const closed = this.close()
    for (const socket of this.#connections.keys()) socket.destroy()
    await closed
  }

  #serve(request: IncomingMessage, response: ServerResponse): void {
    const connection = this.#connectionOf(request.socket)
    if (!connection.owe(response)) return
    const { ids, guard, version } = this.#deps
    const id = ids.requestId()
    const common = ['x-request-id', id, 'x-heddle-version', version]
    const fault = requestFault(request)
    if (fault !== undefined) {
      this.#refuseLast(response, fault, common)
      return
    }
    const verdict = guard({
      method: request.method ?? 'GET',
      url: request.url ?? '/',
      headers: request.headers,
      localAddress: request.socket.localAddress,
    })
    common.push(...verdict.headers)
    common.push(...echoedId(request.headers['x-client-request-id']))
    if (verdict.kind === 'refused') {
      this.#refuse(response, verdict.error, common)
      return
    }
    if (verdict.kind === 'preflight') {
      response.writeHead(204, common)
      response.end()
      return
    }
    this.#route(id, request, response, common, connection)
  }

  #route(
    id: RequestId,
    request: IncomingMessage,
    response: ServerResponse,
    common: HeaderPairs,
    connection: Connection,
  ): void {
    const url = request.url ?? '/'
    const target = endpointAt(url) === undefined ? normalisePath(url) : url
    const endpoint = request.method === 'POST' ? endpointAt(pathOf(target)) : undefined
    const signal = connection.left
    if (endpoint !== undefined) {
      const options = { signal, node: undefined }
      this.#run(response, common, () => serveInference(this.#deps, endpoint, id, request, response, common, options))
      return
    }
    const forwarded = parseOcfTarget(url)
    if (forwarded?.kind === 'models') request.url = forwarded.path
    else if (forwarded !== undefined) {
      this.#run(response, common, () => serveOcf(this.#deps, forwarded, { id, request, response, common }, { signal }))
      return
    }
    this.#watchBody(request)
    this.#deps.requestIds.set(request, id)
    for (let index = 0; index < common.length; index += 2)
      response.setHeader(common[index] as string, common[index + 1] as string)
    if (request.headers.expect !== undefined) response.writeContinue()
    this.#deps.app.routing(request, response)
  }

  /** Does work that stopping waits for, and none once the node stops. `work` never rejects. */
  #run(response: ServerResponse, common: HeaderPairs, work: () => Promise<unknown>): void {
    if (this.#draining) {
      this.#refuseLast(response, stopping(), common)
      return
    }
    this.#running += 1
    void work().finally(() => {
      this.#running -= 1
      if (this.#draining && this.#running === 0) this.#drained.resolve()
    })
  }

  #watchBody(request: IncomingMessage): void {
    const { 'content-length': length, 'transfer-encoding': coding } = request.headers
    if (length === undefined && coding === undefined) return
    const timer = this.#deps.gateway.clock.after(limit('bodyTimeoutMs'), () => {
      const slow = Object.assign(new Error('the body is slow'), { code: SLOW })
      if (!request.complete) this.#refuseMalformed(slow, request.socket)
    })
    request.once('close', () => timer.cancel())
  }

  #refuse(response: ServerResponse, error: HeddleError, common: HeaderPairs): void {
    sendError(this.#deps.gateway, response, error, common)
  }

  /** Refuses, and answers nothing more on this connection. */
  #refuseLast(response: ServerResponse, error: HeddleError, common: HeaderPairs): void {
    response.shouldKeepAlive = false
    this.#refuse(response, error, common)
  }

  #refuseMalformed(error: NodeJS.ErrnoException, socket: Socket): void {
    if (error.code === 'ECONNRESET') {
      socket.destroy()
      return
    }
    const id = this.#deps.ids.requestId()
    const { refusal, reason } = malformed(error.code)
    this.#connectionOf(socket).refuse(refusal, reason, ['x-request-id', id])
    this.#deps.log.debug({ requestId: id, code: error.code }, 'malformed request refused')
  }

  #connected(socket: Socket): void {
    const connection = this.#connectionOf(socket)
    this.#countSocket(socket)
    if (socket.destroyed) return
    new LeanConnection(
      {
        serve: (request, isLast) => this.#serveLean(request, socket, connection, isLast),
        handOver: () => this.#server.emit('connection', socket),
      },
      socket,
      connection,
    )
  }

  async #serveLean(request: LeanRequest, socket: Socket, { left }: Connection, isLast: boolean): Promise<boolean> {
    this.#running += 1
    try {
      const refusal = this.#draining ? stopping() : undefined
      await serveLean(this.#lean, request, socket, { signal: left, isLast, refusal })
      return isLast || refusal !== undefined
    } finally {
      this.#running -= 1
      if (this.#draining && this.#running === 0) this.#drained.resolve()
    }
  }

  #connectionOf(socket: Socket): Connection {
    const known = this.#connections.get(socket)
    if (known !== undefined) return known
    const connection = new Connection(this.#deps.gateway, socket)
    this.#connections.set(socket, connection)
    socket.once('close', () => this.#connections.delete(socket))
    return connection
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

/** Whether an address is this machine's own, which limits against strangers do not concern. */
export function isLoopback(address: string): boolean {
  return address === '::1' || address.startsWith('127.') || address.startsWith('::ffff:127.')
}

/** As Node's server calls it. */
const SLOW = 'ERR_HTTP_REQUEST_TIMEOUT'

const stopping = (): HeddleError => new HeddleError('draining', 'this node is stopping and takes no new requests')

function malformed(code: string | undefined): { readonly refusal: HeddleError; readonly reason: string } {
  switch (code) {
    case 'HPE_HEADER_OVERFLOW':
      return {
        refusal: new HeddleError('headers_too_large', `the headers are larger than ${limit('headerBytes')} bytes`),
        reason: 'Request Header Fields Too Large',
      }
    case SLOW:
      return {
        refusal: new HeddleError('request_timeout', 'the request took too long to arrive', { shouldRetry: false }),
        reason: 'Request Timeout',
      }
    default:
      return { refusal: new HeddleError('invalid_request', 'the request is not valid HTTP/1.1'), reason: 'Bad Request' }
  }
}
