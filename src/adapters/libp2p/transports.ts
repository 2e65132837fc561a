/** How bytes reach peers: TCP, WebSocket, QUIC where its native part loads, and circuits over relays; TLS before Noise. */
import { isIP } from 'node:net'
import { circuitRelayTransport } from '@libp2p/circuit-relay-v2'
import { noise } from '@libp2p/noise'
import { preSharedKey } from '@libp2p/pnet'
import { tcp } from '@libp2p/tcp'
import { tls } from '@libp2p/tls'
import { webSockets } from '@libp2p/websockets'
import { yamux } from '@libp2p/yamux'
import type { Libp2pInit } from 'libp2p'
import { HeddleError } from '../../core/errors.ts'
import { limit } from '../../core/limits.ts'
import type { HostOptions } from './host-options.ts'

type TransportInit = Pick<Libp2pInit, 'transports' | 'connectionEncrypters' | 'streamMuxers' | 'connectionProtector'>
type TransportFactory = NonNullable<Libp2pInit['transports']>[number]

/** QUIC as it stands on this machine. */
export type QuicState =
  | { readonly kind: 'on'; readonly transport: TransportFactory }
  | { readonly kind: 'off'; readonly why: string }

/** Loads QUIC's native part where it is wanted and can be used. */
export async function openQuic(options: Pick<HostOptions, 'quic' | 'presharedKey'>): Promise<QuicState> {
  if (!options.quic) return { kind: 'off', why: 'turned off' }
  // QUIC brings its own encryption and never passes the protector, so that a shared key would protect nothing.
  if (options.presharedKey !== undefined) return { kind: 'off', why: 'not usable with a pre-shared key' }
  try {
    const { quic } = await import('@chainsafe/libp2p-quic')
    const transport = quic({ maxConcurrentStreamLimit: limit('meshStreamsPerConnection') })
    return { kind: 'on', transport: transport as unknown as TransportFactory }
  } catch {
    return { kind: 'off', why: 'its native part is not installed for this platform' }
  }
}

/** Everything below the services of a node. */
export function transportsOf(options: HostOptions, quic: QuicState): TransportInit {
  const streams = limit('meshStreamsPerConnection')
  const { presharedKey } = options
  return {
    transports: [
      tcp({ backlog: limit('meshPendingConnections'), maxConnections: options.maxConnections }),
      webSockets(),
      ...(quic.kind === 'on' ? [quic.transport] : []),
      circuitRelayTransport({
        maxInboundStopStreams: limit('relayedConnections'),
        maxOutboundStopStreams: limit('relayedConnections'),
      }),
    ],
    connectionEncrypters: [tls(), noise()],
    streamMuxers: [
      yamux({
        maxInboundStreams: streams,
        maxOutboundStreams: streams,
        maxEarlyStreams: limit('meshEarlyStreams'),
        // libp2p's window outgrows what it buffers, and then resets a reader that pauses.
        streamOptions: {
          maxStreamWindowSize: limit('streamWindowBytes'),
          maxReadBufferLength: limit('streamReadBufferBytes'),
        },
      }),
    ],
    ...(presharedKey === undefined ? {} : { connectionProtector: preSharedKey({ psk: swarmKeyOf(presharedKey) }) }),
  }
}

/** Multiaddrs on which a node listens. */
export function listenAddressesOf(options: HostOptions, quic: QuicState): readonly string[] {
  const { listen } = options
  if (listen === undefined) return []
  const family = isIP(listen.host)
  if (family === 0) {
    throw new HeddleError('config_invalid', `mesh.listen: ${listen.host} is not an IP address`, {
      fix: 'use an address of this machine such as 0.0.0.0, 127.0.0.1 or ::',
    })
  }
  const base = `/ip${family}/${listen.host}`
  const { port } = listen
  return [
    `${base}/tcp/${port}`,
    `${base}/tcp/${port === 0 ? 0 : port + 1}/ws`,
    ...(quic.kind === 'on' ? [`${base}/udp/${port}/quic-v1`] : []),
  ]
}

/** The text form that libp2p reads: https://github.com/libp2p/specs/blob/master/pnet/Private-Networks-PSK-V1.md */
function swarmKeyOf(key: Uint8Array): Uint8Array {
  if (key.length !== 32) throw new RangeError('a pre-shared key has 32 bytes')
  return new TextEncoder().encode(`/key/swarm/psk/1.0.0/\n/base16/\n${Buffer.from(key).toString('hex')}`)
}
