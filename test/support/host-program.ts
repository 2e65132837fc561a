/** A libp2p host as a program of its own, told what to do line by line on standard input: for tests in network namespaces. */
import { createHash } from 'node:crypto'
import { createInterface } from 'node:readline'
import type { Stream } from '@libp2p/interface'
import { peerIdFromString } from '@libp2p/peer-id'
import { multiaddr } from '@multiformats/multiaddr'
import { startHost } from '../../src/adapters/libp2p/host.ts'
import { type HostOptions, OPEN_GATE } from '../../src/adapters/libp2p/host-options.ts'
import { RecordingLogger } from './recording-logger.ts'
import { waitUntil } from './wait-until.ts'

/** What a line may ask for; the answer is one line of JSON. */
export type HostCommand =
  | { readonly do: 'facts' }
  | { readonly do: 'dial'; readonly address: string }
  /** How long until a direct connection to the peer was there, in ms. */
  | { readonly do: 'await-direct'; readonly peer: string; readonly withinMs: number }
  | { readonly do: 'await-circuit'; readonly withinMs: number }
  | { readonly do: 'await-peer'; readonly withinMs: number }
  /** Sends bytes to the peer, which counts them. */
  | {
      readonly do: 'upload'
      readonly peer: string
      readonly sizeBytes: number
      readonly chunks: number
      readonly pauseMs: number
    }

export interface HostAnswer {
  readonly id: string
  readonly addresses: readonly string[]
  readonly peers: readonly string[]
  /** What was waited for or moved. */
  readonly tookMs?: number
  readonly countedBytes?: number
  readonly error?: string
  readonly facts: ReturnType<Awaited<ReturnType<typeof startHost>>['netFacts']>
}

const SINK = '/test/sink/1'
const [name = '', options = '{}'] = process.argv.slice(2)
const host = await startHost(
  { log: new RecordingLogger() },
  {
    seed: createHash('sha256').update(name).digest(),
    mode: 'node',
    listen: { host: '0.0.0.0', port: 11_441 },
    publicAddresses: [],
    presharedKey: undefined,
    mdns: false,
    quic: true,
    relayServer: false,
    topics: [],
    maxConnections: 32,
    memoryLimitBytes: 1024 ** 3,
    gate: OPEN_GATE,
    ...(JSON.parse(options) as Partial<HostOptions>),
  },
)
await host.node.handle(
  SINK,
  async (stream: Stream) => {
    let counted = 0
    for await (const chunk of stream) counted += chunk.byteLength
    stream.send(Buffer.from(String(counted)))
    await stream.close()
  },
  { runOnLimitedConnection: true },
)

function answer(extra: Partial<HostAnswer> = {}): void {
  const facts = host.netFacts()
  const peers = host.node.getPeers().map(String)
  console.log(JSON.stringify({ id: host.id, addresses: host.addresses(), peers, facts, ...extra } satisfies HostAnswer))
}

async function obey(command: HostCommand): Promise<Partial<HostAnswer>> {
  switch (command.do) {
    case 'facts':
      return {}
    case 'dial': {
      const startedAt = performance.now()
      await host.node.dial(multiaddr(command.address))
      return { tookMs: performance.now() - startedAt }
    }
    case 'await-direct': {
      const peer = peerIdFromString(command.peer)
      const isDirect = () => host.node.getConnections(peer).some(({ direct }) => direct)
      return { tookMs: await waitUntil(isDirect, 'a direct connection', command.withinMs) }
    }
    case 'await-circuit': {
      const hasCircuit = () => host.addresses().some((address) => address.includes('/p2p-circuit'))
      return { tookMs: await waitUntil(hasCircuit, 'a place at a relay', command.withinMs) }
    }
    case 'await-peer':
      return { tookMs: await waitUntil(() => host.node.getPeers().length > 0, 'a peer', command.withinMs) }
    case 'upload':
      return await upload(command)
  }
}

async function upload({
  peer,
  sizeBytes,
  chunks,
  pauseMs,
}: Extract<HostCommand, { do: 'upload' }>): Promise<Partial<HostAnswer>> {
  const startedAt = performance.now()
  const stream = await host.node.dialProtocol(peerIdFromString(peer), SINK, { runOnLimitedConnection: true })
  const chunk = new Uint8Array(sizeBytes / chunks)
  for (let sent = 0; sent < chunks; sent += 1) {
    if (!stream.send(chunk)) await new Promise((drained) => stream.addEventListener('drain', drained, { once: true }))
    if (pauseMs > 0) await new Promise((later) => setTimeout(later, pauseMs))
  }
  await stream.close()
  const parts: Uint8Array[] = []
  for await (const part of stream) parts.push(part.subarray())
  return { countedBytes: Number(Buffer.concat(parts).toString()), tookMs: performance.now() - startedAt }
}

answer()
for await (const line of createInterface({ input: process.stdin })) {
  await obey(JSON.parse(line) as HostCommand).then(answer, (error: unknown) => answer({ error: String(error) }))
}
await host[Symbol.asyncDispose]()
process.exit(0)
