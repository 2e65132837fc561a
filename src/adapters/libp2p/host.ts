/** The libp2p node: started from plain options, stopped by disposing it. */
import { generateKeyPairFromSeed } from '@libp2p/crypto/keys'
import type { Libp2p } from '@libp2p/interface'
import { mdns } from '@libp2p/mdns'
import { createLibp2p, type Libp2pOptions } from 'libp2p'
import { HeddleError } from '../../core/errors.ts'
import type { NodeId } from '../../core/ids.ts'
import { limit } from '../../core/limits.ts'
import type { Logger } from '../../ports/logger.ts'
import { connectionGateOf, nodeIdOf } from './connection-gate.ts'
import { allowGossipTopic } from './host-gossip.ts'
import { hostLog } from './host-log.ts'
import type { HostDeps, HostOptions } from './host-options.ts'
import { type HostServices, servicesOf } from './host-services.ts'
import { listenAddressesOf, openQuic, type QuicState, transportsOf } from './transports.ts'

/** The name under which nodes look for each other on a LAN; ours, so that other libp2p systems are left alone. */
const LAN_SERVICE = '_heddle._udp.local'

export class Libp2pHost implements AsyncDisposable {
  readonly node: Libp2p<HostServices>
  readonly id: NodeId
  readonly #log: Logger

  constructor(node: Libp2p<HostServices>, { log }: { readonly log: Logger }) {
    this.node = node
    this.id = nodeIdOf(node.peerId)
    this.#log = log
  }

  /** Multiaddrs that others can be told, each with this node's id; over a relay too while it has a place there. */
  addresses(): readonly string[] {
    return this.node.getMultiaddrs().map(String)
  }

  /** Calls `listener` after the addresses changed. The result stops that. */
  onAddresses(listener: (addresses: readonly string[]) => void): () => void {
    let last = this.addresses().join()
    const onUpdate = (): void => {
      const addresses = this.addresses()
      if (addresses.join() === last) return
      last = addresses.join()
      listener(addresses)
    }
    this.node.addEventListener('self:peer:update', onUpdate)
    return () => this.node.removeEventListener('self:peer:update', onUpdate)
  }

  /** Takes gossip on one more topic from now on. */
  allowTopic(topic: string): void {
    allowGossipTopic(this.node.services.pubsub, topic)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.node.stop()
    this.#log.debug({}, 'libp2p stopped')
  }
}

/**
 * Starts listening.
 * @throws HeddleError `port_in_use` where an address is taken, `config_invalid` where an option cannot be
 */
export async function startHost({ log }: HostDeps, options: HostOptions): Promise<Libp2pHost> {
  const quic = await openQuic(options)
  if (quic.kind === 'off' && options.quic) log.info({ why: quic.why }, 'no quic')
  const node = await createLibp2p<HostServices>(await initOf(log, options, quic))
  try {
    await node.start()
  } catch (cause) {
    await node.stop()
    throw listenFailure(options, cause)
  }
  const host = new Libp2pHost(node, { log })
  log.info({ node: host.id, addresses: host.addresses() }, 'mesh listens')
  return host
}

async function initOf(log: Logger, options: HostOptions, quic: QuicState): Promise<Libp2pOptions<HostServices>> {
  const { mode, publicAddresses, maxConnections } = options
  const isPublic = publicAddresses.length > 0
  const wantsRelay = mode === 'node' && !isPublic
  const relays = wantsRelay ? Array.from({ length: limit('relaysWanted') }, () => '/p2p-circuit') : []
  return {
    start: false,
    privateKey: await generateKeyPairFromSeed('Ed25519', options.seed),
    nodeInfo: { name: 'heddle', userAgent: 'heddle' },
    addresses: { listen: [...listenAddressesOf(options, quic), ...relays], announce: [...publicAddresses] },
    ...transportsOf(options, quic),
    connectionGater: connectionGateOf(options.gate),
    connectionManager: {
      maxConnections,
      inboundConnectionThreshold: limit('meshConnectionsPerSecond'),
      maxIncomingPendingConnections: limit('meshPendingConnections'),
    },
    // A busy event loop answers a ping late, which is no reason to drop a peer in the middle of an answer.
    connectionMonitor: { abortConnectionOnPingFailure: false },
    peerDiscovery: mode === 'node' && options.mdns ? [mdns({ serviceTag: LAN_SERVICE })] : [],
    services: servicesOf(options),
    logger: hostLog(log),
  }
}

function listenFailure({ listen }: HostOptions, cause: unknown): HeddleError {
  const place = listen === undefined ? 'nowhere' : `${listen.host} port ${listen.port}`
  return new HeddleError('port_in_use', `the mesh cannot listen on ${place}, or on the port after it`, {
    cause,
    fix: 'end what uses it, or choose another with --mesh-listen',
  })
}
