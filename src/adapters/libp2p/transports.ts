/** How bytes reach peers: TCP, WebSocket, QUIC where there is any, and circuits over relays; TLS before Noise. */
import { isIP } from 'node:net'
import { circuitRelayTransport } from '@libp2p/circuit-relay-v2'
import { preSharedKey } from '@libp2p/pnet'
import { tcp } from '@libp2p/tcp'
import { yamux } from '@libp2p/yamux'
import type { Libp2pInit } from 'libp2p'
import { HeddleError } from '../../core/errors.ts'
import { limit } from '../../core/limits.ts'
import { encrypters } from './encrypters.ts'
import type { HostOptions } from './host-options.ts'
import { leanMuxer } from './lean-muxer.ts'
import type { QuicState } from './quic.ts'
import { guardedMuxer } from './stream-guard.ts'
import { endingWebSockets } from './websocket-transport.ts'

type TransportInit = Pick<Libp2pInit, 'transports' | 'connectionEncrypters' | 'streamMuxers' | 'connectionProtector'>

const PRESHARED_KEY_BYTES = 32
/** The last one that has another after it. */
const LAST_PORT = 65_534

/** Everything below the services of a node. */
export function transportsOf({ maxConnections, presharedKey }: HostOptions, quic: QuicState): TransportInit {
  const circuits = limit('relayedConnections')
  const openMuxer = yamux({
    maxInboundStreams: limit('meshStreamsPerConnection'),
    maxOutboundStreams: limit('meshStreamsPerConnection'),
    maxEarlyStreams: limit('meshEarlyStreams'),
    // libp2p's own window outgrows what it buffers, and then it resets a reader that pauses.
    streamOptions: {
      maxStreamWindowSize: limit('streamWindowBytes'),
      maxReadBufferLength: limit('streamReadBufferBytes'),
    },
  })
  return {
    transports: [
      tcp({
        backlog: limit('meshPendingConnections'),
        maxConnections: maxConnections + limit('meshPendingConnections'),
      }),
      endingWebSockets({ maxBufferedAmount: limit('streamReadBufferBytes') }),
      ...(quic.kind === 'on' ? [quic.transport] : []),
      circuitRelayTransport({ maxInboundStopStreams: circuits, maxOutboundStopStreams: circuits }),
    ],
    connectionEncrypters: encrypters(),
    streamMuxers: [() => guardedMuxer(leanMuxer(openMuxer()))],
    ...(presharedKey === undefined ? {} : { connectionProtector: preSharedKey({ psk: swarmKeyOf(presharedKey) }) }),
  }
}

/** Multiaddrs on which a node listens. */
export function listenAddressesOf({ listen }: HostOptions, quic: QuicState): readonly string[] {
  if (listen === undefined) return []
  const { host, port } = listen
  const family = isIP(host)
  if (family === 0) {
    throw new HeddleError('config_invalid', `mesh.listen: ${host} is not an IP address`, {
      param: 'mesh.listen',
      fix: 'use an address of this machine such as 0.0.0.0, 127.0.0.1 or ::',
    })
  }
  if (port > LAST_PORT) {
    throw new HeddleError('config_invalid', `mesh.listen: after port ${port} there is none for WebSocket`, {
      param: 'mesh.listen',
      fix: `use a port up to ${LAST_PORT}`,
    })
  }
  const base = `/ip${family}/${host}`
  return [
    `${base}/tcp/${port}`,
    `${base}/tcp/${port === 0 ? 0 : port + 1}/ws`,
    ...(quic.kind === 'on' ? [`${base}/udp/${port}/quic-v1`] : []),
  ]
}

/** The text that libp2p reads keys from: https://github.com/libp2p/specs/blob/master/pnet/Private-Networks-PSK-V1.md */
function swarmKeyOf(key: Uint8Array): Uint8Array {
  if (key.length !== PRESHARED_KEY_BYTES) throw new RangeError(`a pre-shared key has ${PRESHARED_KEY_BYTES} bytes`)
  return new TextEncoder().encode(`/key/swarm/psk/1.0.0/\n/base16/\n${Buffer.from(key).toString('hex')}`)
}
