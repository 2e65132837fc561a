/** libp2p nodes of a hop: those that the program itself starts, and one that speaks Noise only. */
import { randomBytes } from 'node:crypto'
import { generateKeyPair } from '@libp2p/crypto/keys'
import { identify } from '@libp2p/identify'
import type { Libp2p } from '@libp2p/interface'
import { noise } from '@libp2p/noise'
import { createLibp2p } from 'libp2p'
import { type Libp2pHost, startHost } from '../../src/adapters/libp2p/host.ts'
import { type HostOptions, OPEN_GATE } from '../../src/adapters/libp2p/host-options.ts'
import { transportsOf } from '../../src/adapters/libp2p/transports.ts'
import { SystemClock } from '../../src/adapters/system/system-clock.ts'
import { MeshSession } from '../../src/core/mesh/session.ts'
import type { MessageRequest, MessageResponse } from '../../src/core/message.ts'
import type { Logger } from '../../src/ports/logger.ts'
import type { PeerStream } from '../../src/ports/peer-streams.ts'

/** Says nothing. */
const SILENT: Logger = {
  debug: ignore,
  info: ignore,
  warn: ignore,
  error: ignore,
  child: () => SILENT,
}

function optionsOf(listens: boolean): HostOptions {
  return {
    seed: randomBytes(32),
    mode: 'standalone',
    listen: listens ? { host: '127.0.0.1', port: 0 } : undefined,
    publicAddresses: [],
    presharedKey: undefined,
    mdns: false,
    quic: true,
    relayServer: false,
    topics: [],
    maxConnections: 32,
    memoryLimitBytes: 1024 ** 3,
    gate: OPEN_GATE,
  }
}

/** A node as the program starts it. */
export function startHopHost({ listens }: { readonly listens: boolean }): Promise<Libp2pHost> {
  return startHost({ log: SILENT }, optionsOf(listens))
}

/** A node that dials as ours do, except that it knows no TLS. */
export async function startNoiseNode(): Promise<Libp2p> {
  return createLibp2p({
    privateKey: await generateKeyPair('Ed25519'),
    ...transportsOf(optionsOf(false), { kind: 'off', why: 'not wanted' }),
    connectionEncrypters: [noise()],
    addresses: { listen: [] },
    services: { identify: identify() },
  })
}

export type Serve = (request: MessageRequest, options: { readonly signal: AbortSignal }) => Promise<MessageResponse>

/** A session as the mesh runs it: frames of one turn share a write, except on QUIC, which gathers by itself. */
export function sessionOn(stream: PeerStream, side: 'dialler' | 'listener', serve: Serve): MeshSession<AbortSignal> {
  return new MeshSession<AbortSignal>(
    {
      duplex: stream,
      clock: new SystemClock(),
      schedule: stream.path.transport === 'quic' ? (task) => task() : (task) => void setImmediate(task),
      openCancel: () => new AbortController(),
      onRequest: serve,
      onEnd: ignore,
    },
    { side },
  )
}

function ignore(): void {}
