/** QUIC, where its native part loads: optional, and watched like the other transports. */
import type { Transport, Upgrader, UpgraderWithoutEncryptionOptions } from '@libp2p/interface'
import type { Libp2pInit } from 'libp2p'
import { limit } from '../../core/limits.ts'
import type { HostOptions } from './host-options.ts'
import { guardedMuxer } from './stream-guard.ts'

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
    const open = quic({
      maxConcurrentStreamLimit: limit('meshStreamsPerConnection'),
      maxStreamData: limit('streamWindowBytes'),
      maxConnectionData: limit('connectionUnreadBytes'),
    })
    return { kind: 'on', transport: (components) => guarded(open(components)) }
  } catch {
    return { kind: 'off', why: 'its native part is not installed for this platform' }
  }
}

/** QUIC makes a muxer for each connection and hands it to the upgrader: the one place where it can be had. */
function guarded(transport: Transport): Transport {
  const dial = transport.dial.bind(transport)
  const createListener = transport.createListener.bind(transport)
  transport.dial = async (address, options) => {
    // The native part looks at no signal: a port that nobody holds would take up the time that other addresses have.
    const late = AbortSignal.timeout(limit('quicDialMs'))
    const signal = AbortSignal.any([options.signal, late])
    const dialled = dial(address, { ...options, signal, upgrader: guardedUpgrader(options.upgrader) })
    return await untilAborted(dialled, signal)
  }
  transport.createListener = (options) => createListener({ ...options, upgrader: guardedUpgrader(options.upgrader) })
  return transport
}

function guardedUpgrader(upgrader: Upgrader): Upgrader {
  return {
    upgradeInbound: (connection, options) => upgrader.upgradeInbound(connection, withGuard(options)),
    upgradeOutbound: (connection, options) => upgrader.upgradeOutbound(connection, withGuard(options)),
    createInboundAbortSignal: (signal) => upgrader.createInboundAbortSignal(signal),
    getStreamMuxers: () => upgrader.getStreamMuxers(),
    getConnectionEncrypters: () => upgrader.getConnectionEncrypters(),
  }
}

/** @param options QUIC's own, which say that its connections are encrypted already */
function withGuard(options: object): UpgraderWithoutEncryptionOptions {
  const own = options as UpgraderWithoutEncryptionOptions
  return own.muxerFactory === undefined ? own : { ...own, muxerFactory: guardedMuxer(own.muxerFactory) }
}

/** What comes after the abort is closed by the upgrader, which gets the same signal. */
async function untilAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>()
  const onAbort = (): void => reject(signal.reason as Error)
  signal.addEventListener('abort', onAbort, { once: true })
  if (signal.aborted) onAbort()
  try {
    return await Promise.race([work, promise])
  } finally {
    signal.removeEventListener('abort', onAbort)
  }
}
