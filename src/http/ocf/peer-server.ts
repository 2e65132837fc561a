/** What peers that speak plain HTTP/1.1 may ask of this node: its services, its node table and its health, and nothing else. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import { HeddleError, heddleErrorOf } from '../../core/errors.ts'
import type { NodeId } from '../../core/ids.ts'
import { limit } from '../../core/limits.ts'
import type { MessageRequest, MessageResponse } from '../../core/message.ts'
import { headersFromService } from '../../core/routing/service-headers.ts'
import type { HeaderPairs } from '../../gateway/inbound.ts'
import type { Clock } from '../../ports/clock.ts'
import type { IdSource } from '../../ports/id-source.ts'
import type { Logger } from '../../ports/logger.ts'
import { requestFault } from '../request-faults.ts'
import { sendError } from '../send-error.ts'
import type { OcfView } from './deps.ts'
import { checkMethod, messageBody, messageHeaders } from './message.ts'
import { parseOcfTarget } from './ocf-target.ts'
import { sendAnswer, sendJson } from './send-answer.ts'
import { readOf, readPathOf } from './table-answers.ts'

interface Cancellable {
  readonly signal: AbortSignal
}

export interface PeerServerDeps {
  readonly clock: Clock
  readonly ids: Pick<IdSource, 'requestId'>
  readonly log: Logger
  readonly view: OcfView
  /** Whether the peer is a member of the network; asked before anything of it is served. */
  readonly admit: (peer: NodeId, options: Cancellable) => Promise<boolean>
  /** Serves a request of a peer that was admitted: only services of this node, only paths that stay inside them. */
  readonly serve: (from: NodeId, request: MessageRequest, options: Cancellable) => Promise<MessageResponse>
  readonly version: string
}

/** Takes sockets that others opened; disposing it cuts them. */
export class PeerHttpServer implements Disposable {
  readonly #deps: PeerServerDeps
  readonly #server: Server
  readonly #peers = new Map<Duplex, NodeId>()

  constructor(deps: PeerServerDeps) {
    this.#deps = deps
    this.#server = createServer({
      maxHeaderSize: limit('headerBytes'),
      headersTimeout: limit('headersTimeoutMs'),
      // Uploads to services may take their time.
      requestTimeout: 0,
      connectionsCheckingInterval: limit('bodyCheckIntervalMs'),
      keepAliveTimeout: limit('keepAliveMs'),
      insecureHTTPParser: false,
      requireHostHeader: false,
    })
    this.#server.maxHeadersCount = limit('headerFields') + 1
    // A peer may close its side of a stream once it has asked, and still wait for the answer.
    Object.assign(this.#server, { httpAllowHalfOpen: true })
    for (const event of ['request', 'checkContinue', 'checkExpectation'] as const) {
      this.#server.on(event, (request, response) => void this.#serve(request, response))
    }
    this.#server.on('clientError', (_error, socket) => void socket.destroy())
    // Node's server begins to watch its connections for slowness at this event.
    this.#server.emit('listening')
  }

  /** Owns the socket from now on; `peer` has proved to be at its other end. */
  accept(peer: NodeId, socket: Duplex): void {
    this.#peers.set(socket, peer)
    socket.once('close', () => this.#peers.delete(socket))
    this.#server.emit('connection', socket)
  }

  [Symbol.dispose](): void {
    this.#server.close()
    for (const socket of this.#peers.keys()) socket.destroy()
  }

  /** Never rejects. */
  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { clock, ids, log, version } = this.#deps
    const id = ids.requestId()
    const common = ['x-request-id', id, 'ocf-version', version]
    const left = new AbortController()
    response.once('close', () => left.abort(new HeddleError('client_closed', 'the peer left')))
    try {
      const peer = this.#peers.get(request.socket)
      if (peer === undefined) throw new HeddleError('client_closed', 'the peer left')
      const fault = requestFault(request)
      if (fault !== undefined) throw fault
      if (!(await this.#deps.admit(peer, left)))
        throw new HeddleError('insufficient_scope', 'this node serves members of its network only')
      await this.#answer(peer, { ...this.#messageOf(request, response), id }, request, response, common, left)
    } catch (error) {
      const failure = left.signal.aborted ? new HeddleError('client_closed', 'the peer left') : heddleErrorOf(error)
      if (failure.code === 'internal') log.error({ requestId: id, err: failure.details.cause }, 'serving a peer failed')
      sendError({ clock }, response, failure, common)
    }
  }

  #messageOf(request: IncomingMessage, response: ServerResponse): Omit<MessageRequest, 'id' | 'service' | 'path'> {
    const method = checkMethod(request.method)
    const headers = messageHeaders(request.headers)
    return { method, headers, body: messageBody(this.#deps, request, response) }
  }

  async #answer(
    peer: NodeId,
    message: Omit<MessageRequest, 'service' | 'path'>,
    { url = '/' }: IncomingMessage,
    response: ServerResponse,
    common: HeaderPairs,
    { signal }: Cancellable,
  ): Promise<void> {
    const { view, serve } = this.#deps
    // A peer says what it wants in the plain form; another might name a host that is none of ours.
    const target = url.startsWith('/') ? parseOcfTarget(url) : undefined
    if (target?.kind === 'local') {
      const { service, path } = target
      const answer = await serve(peer, { ...message, service, path }, { signal })
      await sendAnswer(this.#deps, response, { ...answer, headers: headersFromService(answer.headers) }, common)
      return
    }
    const read = readPathOf(url.split('?', 1)[0] ?? '')
    if (read === undefined)
      throw new HeddleError('not_found', 'peers reach services below /v1/_service/, and the node table')
    if (message.method !== 'GET' && message.method !== 'HEAD')
      throw new HeddleError('method_not_allowed', 'this is only read; use GET', {
        metadata: { allow: ['GET', 'HEAD'] },
      })
    sendJson(response, readOf(view, read), common)
  }
}
