/** The libp2p node: started from plain options, stopped by disposing it. */
import { generateKeyPairFromSeed } from '@libp2p/crypto/keys'
import type { Libp2p } from '@libp2p/interface'
import { createLibp2p, type Libp2pOptions } from 'libp2p'
import { HeddleError } from '../../core/errors.ts'
import type { NodeId } from '../../core/ids.ts'
import { limit } from '../../core/limits.ts'
import { blockOf } from '../../core/registry/address-block.ts'
import type { Logger } from '../../ports/logger.ts'
import { BoundedDatastore } from './bounded-datastore.ts'
import { checkConnectionBudget } from './connection-budget.ts'
import { ConnectionGate, nodeIdOf } from './connection-gate.ts'
import { announceFilterOf, isOfOneLink } from './host-addresses.ts'
import { allowGossipTopic } from './host-gossip.ts'
import { hostLog } from './host-log.ts'
import type { HostDeps, HostOptions } from './host-options.ts'
import { type HostServices, servicesOf } from './host-services.ts'
import { LanDiscovery } from './lan-discovery.ts'
import { countConnections, type NetFacts, reachabilityOf, relaysOf } from './net-facts.ts'
import { openQuic, type QuicState } from './quic.ts'
import { listenAddressesOf, transportsOf } from './transports.ts'

export class Libp2pHost implements AsyncDisposable {
  readonly node: Libp2p<HostServices>
  readonly id: NodeId
  readonly #log: Logger
  readonly #facts: Pick<NetFacts, 'mdns' | 'quicOff'>

  constructor(
    node: Libp2p<HostServices>,
    { log, facts }: { readonly log: Logger; readonly facts: Pick<NetFacts, 'mdns' | 'quicOff'> },
  ) {
    this.node = node
    this.id = nodeIdOf(node.peerId)
    this.#log = log
    this.#facts = facts
  }

  /**
   * Multiaddrs that others can be told, each with this node's id; over a relay too while it has a place there. Those of a public
   * interface are among them before anybody confirmed them: a machine that has one is mostly reached there.
   */
  addresses(): readonly string[] {
    const confirmed = this.node.getMultiaddrs().map(String)
    const suffix = `/p2p/${this.id}`
    const own = this.node.services.addressBook
      .known()
      .filter(({ type, multiaddr }) => type === 'transport' && !isOfOneLink(multiaddr))
      .map(({ multiaddr }) => multiaddr.toString())
      .filter((address) => !address.includes('/p2p-circuit'))
      .map((address) => (address.endsWith(suffix) ? address : `${address}${suffix}`))
    return [...new Set([...confirmed, ...own])]
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

  /** Where this node stands in the network. */
  netFacts(): NetFacts {
    const known = this.node.services.addressBook.known()
    const of = (type: string): string[] =>
      known.filter((address) => address.type === type).map(({ multiaddr }) => multiaddr.toString())
    const announced = this.addresses()
    return {
      ...this.#facts,
      reachability: reachabilityOf(known, (address) => blockOf(address) !== undefined),
      listenAddresses: of('transport').filter((address) => !address.includes('/p2p-circuit')),
      announcedAddresses: announced,
      observedAddresses: of('observed'),
      mappedAddresses: of('ip-mapping'),
      relays: relaysOf(announced),
      relayedNodes: this.node.services.relay?.reservations.size,
      connections: countConnections(this.node.getConnections()),
    }
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
  const budget = checkConnectionBudget(options)
  const quic = await openQuic(options)
  if (quic.kind === 'off' && options.quic) log.info({ why: quic.why }, 'no quic')
  const gate = new ConnectionGate(options.gate)
  const lan = new LanDiscovery({ log })
  const node = await createLibp2p<HostServices>(await initOf({ log, gate, quic, lan }, options))
  gate.countIn(() => node.getConnections())
  lan.connectFrom(node)
  try {
    await node.start()
  } catch (cause) {
    await node.stop()
    throw listenFailure(options, cause)
  }
  const facts = { mdns: findsLan(options), quicOff: quic.kind === 'off' ? quic.why : undefined }
  const host = new Libp2pHost(node, { log, facts })
  log.info({ node: host.id, addresses: host.addresses(), worstCaseBytes: budget.worstCaseBytes }, 'mesh listens')
  return host
}

interface InitParts {
  readonly log: Logger
  readonly gate: ConnectionGate
  readonly quic: QuicState
  readonly lan: LanDiscovery
}

async function initOf({ log, gate, quic, lan }: InitParts, options: HostOptions): Promise<Libp2pOptions<HostServices>> {
  const { mode, publicAddresses, maxConnections } = options
  const wantsRelay = mode === 'node' && publicAddresses.length === 0
  const relays = wantsRelay ? Array.from({ length: limit('relaysWanted') }, () => '/p2p-circuit') : []
  return {
    start: false,
    privateKey: await generateKeyPairFromSeed('Ed25519', options.seed),
    nodeInfo: { name: 'heddle', userAgent: 'heddle' },
    addresses: {
      listen: [...listenAddressesOf(options, quic), ...relays],
      // Besides the interfaces' own: neighbours on the LAN need not go through the router.
      appendAnnounce: [...publicAddresses],
      announceFilter: announceFilterOf(options.listen?.host),
    },
    ...transportsOf(options, quic),
    connectionGater: gate,
    connectionManager: {
      maxConnections,
      maxParallelDials: limit('dialsAtOnce'),
      inboundConnectionThreshold: limit('meshConnectionsPerSecond'),
      maxIncomingPendingConnections: limit('meshPendingConnections'),
    },
    // A busy event loop answers a ping late, which is no reason to drop a peer in the middle of an answer.
    connectionMonitor: { abortConnectionOnPingFailure: false },
    datastore: new BoundedDatastore({ maxItems: limit('libp2pItems') }),
    peerDiscovery: findsLan(options) ? [lan.open] : [],
    services: await servicesOf(options),
    logger: hostLog(log),
  }
}

function findsLan({ mode, mdns: isWanted }: HostOptions): boolean {
  return mode === 'node' && isWanted
}

function listenFailure({ listen }: HostOptions, cause: unknown): HeddleError {
  const place = listen === undefined ? 'nowhere' : `${listen.host} port ${listen.port}`
  return new HeddleError('port_in_use', `the mesh cannot listen on ${place}, or on the port after it`, {
    cause,
    fix: 'end what uses it, or choose another with --mesh-listen',
  })
}
