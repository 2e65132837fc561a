/** The ways over which the near end of a hop reaches the far one. */
import type { Libp2p } from '@libp2p/interface'
import { Pool } from 'undici'
import { Libp2pPeerStreams } from '../../src/adapters/libp2p/libp2p-peer-streams.ts'
import { Http1Pool } from '../../src/adapters/runtimes/http1/pool.ts'
import { asNodeId, asRequestId } from '../../src/core/ids.ts'
import { MESH_PROTOCOL } from '../../src/core/mesh/session-options.ts'
import type { MessageBody, MessageRequest } from '../../src/core/message.ts'
import type { PeerStream } from '../../src/ports/peer-streams.ts'
import { sessionOn, startHopHost, startNoiseNode } from './hop-host.ts'
import { EXCHANGE_BYTES, FRESH_PROTOCOL, type HopAddresses, type HopVariant } from './hop-job.ts'

export interface Way {
  /** Sends a request and gives the body of its answer. */
  send(path: string, body: Uint8Array | MessageBody | undefined): Promise<MessageBody>
}

const CONNECTIONS = 64
const TIMEOUT_MS = 60_000
/** Below the bound on streams of one connection. */
const FRESH_AT_ONCE = 48
const SIGNAL = new AbortController().signal

export async function openWay(variant: HopVariant, addresses: HopAddresses): Promise<Way> {
  switch (variant) {
    case 'http':
      return ownHttp(addresses)
    case 'undici':
      return undiciHttp(addresses)
    case 'mesh tls':
      return mesh(await startedNode(), addresses.tcp, addresses)
    case 'mesh noise':
      return mesh(await startNoiseNode(), addresses.tcp, addresses)
    case 'mesh websocket':
      return mesh(await startedNode(), addresses.websocket, addresses)
    case 'mesh quic':
      return mesh(await startedNode(), addresses.quic, addresses)
    case 'fresh tls':
      return fresh(await startedNode(), addresses.tcp, addresses)
    case 'fresh noise':
      return fresh(await startNoiseNode(), addresses.tcp, addresses)
    case 'fresh quic':
      return fresh(await startedNode(), addresses.quic, addresses)
    default:
      return variant satisfies never
  }
}

async function startedNode(): Promise<Libp2p> {
  const { node } = await startHopHost({ listens: false })
  return node
}

let requests = 0
function requestOf(path: string, body: MessageRequest['body']): MessageRequest {
  requests += 1
  return {
    id: asRequestId(`req_${String(requests).padStart(24, '0')}`),
    service: 'llm',
    method: 'POST',
    path,
    headers: { 'content-type': 'application/json', accept: 'application/json', 'user-agent': 'openai/7.55.0' },
    body,
  }
}

function ownHttp({ httpPort }: HopAddresses): Way {
  const origin = `http://127.0.0.1:${httpPort}`
  const pool = new Http1Pool({ origin, connections: CONNECTIONS })
  const options = { origin, signal: SIGNAL, headersTimeoutMs: TIMEOUT_MS, bodyTimeoutMs: TIMEOUT_MS }
  return { send: async (path, body) => (await pool.exchange(requestOf(path, body), options)).body }
}

function undiciHttp({ httpPort }: HopAddresses): Way {
  const pool = new Pool(`http://127.0.0.1:${httpPort}`, { connections: CONNECTIONS, pipelining: 1 })
  return {
    send: async (path, body) => {
      const headers = requestOf(path, undefined).headers
      return (await pool.request({ path, method: 'POST', headers, body: (body ?? null) as Buffer })).body
    },
  }
}

async function mesh(node: Libp2p, address: string, addresses: HopAddresses): Promise<Way> {
  const stream = await openStream(node, MESH_PROTOCOL, address, addresses)
  const session = sessionOn(stream, 'dialler', () => Promise.reject(new Error('this side serves nothing')))
  return { send: async (path, body) => (await session.request(requestOf(path, body), { signal: SIGNAL })).body }
}

/** Only exchanges: what they cost is the opening of a stream. One that is being closed still counts as open. */
async function fresh(node: Libp2p, address: string, addresses: HopAddresses): Promise<Way> {
  await openStream(node, FRESH_PROTOCOL, address, addresses)
  const waiting: (() => void)[] = []
  let isOpen = 0
  const exchange = (stream: PeerStream, body: Uint8Array): Promise<MessageBody> => {
    const { promise, resolve, reject } = Promise.withResolvers<MessageBody>()
    const chunks: Uint8Array[] = []
    let bytes = 0
    stream.start({
      received: (chunk) => {
        chunks.push(chunk)
        bytes += chunk.length
        if (bytes < EXCHANGE_BYTES) return
        stream.close()
        resolve(chunksOf(chunks))
      },
      drained: () => undefined,
      closed: (error) => {
        isOpen -= 1
        waiting.shift()?.()
        reject(error ?? new Error('the stream ended without an answer'))
      },
    })
    stream.send([body])
    return promise
  }
  return {
    send: async (_path, body) => {
      while (isOpen >= FRESH_AT_ONCE) await new Promise<void>((resume) => waiting.push(resume))
      isOpen += 1
      return exchange(await openStream(node, FRESH_PROTOCOL, address, addresses), body as Uint8Array)
    },
  }
}

function openStream(
  node: Libp2p,
  protocol: string,
  address: string,
  { node: peer }: HopAddresses,
): Promise<PeerStream> {
  return new Libp2pPeerStreams({ node }).open(asNodeId(peer), protocol, { addresses: [address], signal: SIGNAL })
}

async function* chunksOf(chunks: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* chunks
}
