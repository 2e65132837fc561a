/** HTTP/1.1 requests to a peer, each over a fresh libp2p stream, as OCF's nodes make and take them. */
import { type ClientRequest, type IncomingHttpHeaders, type IncomingMessage, request as requestOver } from 'node:http'
import type { Libp2p } from '@libp2p/interface'
import { peerIdFromString } from '@libp2p/peer-id'
import { multiaddr } from '@multiformats/multiaddr'
import { HeddleError } from '../../core/errors.ts'
import type { NodeId } from '../../core/ids.ts'
import { limit } from '../../core/limits.ts'
import type { MessageHeaders, MessageRequest, MessageResponse } from '../../core/message.ts'
import type { Clock } from '../../ports/clock.ts'
import { Http1Duplex } from './http1-duplex.ts'

/** OCF's and OpenTela's name for plain HTTP/1.1 on a stream, go-libp2p-http's default. */
export const HTTP1_PROTOCOL = '/libp2p-http'

export interface Http1ClientDeps {
  readonly node: Pick<Libp2p, 'dialProtocol' | 'getConnections'>
  readonly clock: Pick<Clock, 'after'>
}

export interface Http1Options {
  /** Multiaddrs to dial where the peer is not connected. */
  readonly addresses: readonly string[]
  readonly signal: AbortSignal
}

/** Whether the peer told this node (by identify) that it speaks plain HTTP, and no protocol of ours. */
export async function speaksOnlyHttp1(
  { node, mesh }: { readonly node: Pick<Libp2p, 'peerStore'>; readonly mesh: string },
  peer: NodeId,
): Promise<boolean> {
  const id = peerIdFromString(peer)
  if (!(await node.peerStore.has(id))) return false
  const { protocols } = await node.peerStore.get(id)
  return protocols.includes(HTTP1_PROTOCOL) && !protocols.includes(mesh)
}

/**
 * `path` is the peer's own, e.g. `/v1/health`. Resolves once the status is known, whatever it is.
 * @throws HeddleError `peer_unreachable`, `upstream_failed` or `timeout`; the signal's reason where that aborts
 */
export async function sendHttp1(
  deps: Http1ClientDeps,
  peer: NodeId,
  request: Pick<MessageRequest, 'method' | 'path' | 'headers' | 'body'>,
  { addresses, signal }: Http1Options,
): Promise<MessageResponse> {
  const duplex = await openDuplex(deps, peer, { addresses, signal })
  const onAbort = (): void => void duplex.destroy(asError(signal.reason))
  signal.addEventListener('abort', onAbort, { once: true })
  duplex.once('close', () => signal.removeEventListener('abort', onAbort))
  duplex.setTimeout(limit('firstByteTimeoutMs'), () =>
    duplex.destroy(new HeddleError('timeout', 'the peer said nothing for too long')),
  )
  try {
    const outgoing = requestOver({
      createConnection: () => duplex,
      method: request.method,
      path: request.path,
      headers: headersOf(peer, request),
      setHost: false,
      maxHeaderSize: limit('headerBytes'),
    })
    const response = await answerOf(outgoing, request.body)
    duplex.setTimeout(limit('tokenGapMs'))
    return {
      status: response.statusCode ?? 0,
      headers: messageHeadersOf(response.headers),
      body: bodyFrom(response, signal),
    }
  } catch (cause) {
    duplex.destroy()
    signal.throwIfAborted()
    if (cause instanceof HeddleError) throw cause
    throw new HeddleError('upstream_failed', 'the peer broke off before it answered', { cause })
  }
}

async function openDuplex(
  { node, clock }: Http1ClientDeps,
  peer: NodeId,
  { addresses, signal }: Http1Options,
): Promise<Http1Duplex> {
  const late = new AbortController()
  using _ = clock.after(limit('connectTimeoutMs'), () => late.abort(new Error('the peer took too long')))
  try {
    const id = peerIdFromString(peer)
    const isConnected = node.getConnections(id).length > 0
    const stream = await node.dialProtocol(
      isConnected || addresses.length === 0 ? id : addresses.map((address) => multiaddr(withPeer(address, peer))),
      HTTP1_PROTOCOL,
      { signal: AbortSignal.any([signal, late.signal]), runOnLimitedConnection: true },
    )
    return new Http1Duplex(stream, peer)
  } catch (cause) {
    signal.throwIfAborted() // the caller left: not the peer's fault
    throw new HeddleError('peer_unreachable', `cannot reach ${peer} for HTTP`, { cause })
  }
}

/** Without it libp2p would talk to whoever answers there. */
function withPeer(address: string, peer: NodeId): string {
  return address.endsWith(`/p2p/${peer}`) ? address : `${address}/p2p/${peer}`
}

/** OCF's nodes dial what the Host header names, so it is the peer. */
function headersOf(peer: NodeId, { headers, body }: Pick<MessageRequest, 'headers' | 'body'>): Record<string, string> {
  const { 'content-length': length, ...others } = headers
  const all: Record<string, string> = { ...others, host: peer }
  if (body instanceof Uint8Array) all['content-length'] = String(body.length)
  else if (length !== undefined) all['content-length'] = length
  else if (body !== undefined) all['transfer-encoding'] = 'chunked'
  return all
}

/** An answer may come before the request is out; its body then is of no more interest to the peer. */
async function answerOf(outgoing: ClientRequest, body: MessageRequest['body']): Promise<IncomingMessage> {
  const answered = Promise.withResolvers<IncomingMessage>()
  outgoing.once('response', answered.resolve)
  outgoing.on('error', answered.reject)
  void sendBody(outgoing, body).catch((error: unknown) => {
    answered.reject(error)
    outgoing.destroy(asError(error))
  })
  return answered.promise
}

async function sendBody(outgoing: ClientRequest, body: MessageRequest['body']): Promise<void> {
  if (body === undefined || body instanceof Uint8Array) {
    outgoing.end(body)
    return
  }
  for await (const chunk of body) {
    if (outgoing.destroyed) return
    if (outgoing.write(chunk)) continue
    await room(outgoing)
  }
  outgoing.end()
}

/** Resolves when more can be written, or never again. */
function room(outgoing: ClientRequest): Promise<void> {
  return new Promise((resolve) => {
    const settle = (): void => {
      outgoing.off('drain', settle).off('close', settle)
      resolve()
    }
    outgoing.on('drain', settle).on('close', settle)
  })
}

async function* bodyFrom(response: IncomingMessage, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  try {
    for await (const chunk of response) yield chunk as Buffer
  } catch (cause) {
    signal.throwIfAborted()
    throw new HeddleError('upstream_interrupted', 'the peer broke off its answer', { cause })
  }
  if (!response.complete) throw new HeddleError('upstream_interrupted', 'the peer broke off its answer')
}

function messageHeadersOf(headers: IncomingHttpHeaders): MessageHeaders {
  const all: Record<string, string> = {}
  for (const [name, value] of Object.entries(headers)) {
    if (value !== undefined) all[name] = Array.isArray(value) ? value.join(', ') : value
  }
  return all
}

function asError(reason: unknown): Error {
  return reason instanceof Error ? reason : new Error('aborted', { cause: reason })
}
