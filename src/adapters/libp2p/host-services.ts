/** The protocols that every node speaks besides our own: who it is, who is near, how it is seen from outside, gossip, relaying. */
import type { CircuitRelayService } from '@libp2p/circuit-relay-v2'
import { dcutr } from '@libp2p/dcutr'
import type { GossipSub } from '@libp2p/gossipsub'
import { type Identify, identify, identifyPush } from '@libp2p/identify'
import type { ServiceMap } from '@libp2p/interface'
import { type KadDHT, removePrivateAddressesMapper, removePublicAddressesMapper } from '@libp2p/kad-dht'
import { type Ping, ping } from '@libp2p/ping'
import type { ServiceFactoryMap } from 'libp2p'
import { limit } from '../../core/limits.ts'
import { dht } from './dht.ts'
import { dialBack } from './dial-back.ts'
import { isLoopbackHost } from './host-addresses.ts'
import { gossipOf } from './host-gossip.ts'
import type { HostOptions } from './host-options.ts'
import { type AddressBook, addressBook } from './net-facts.ts'
import { relayServer } from './relay-server.ts'

/** What `Libp2pHost.node.services` has for certain. */
export interface HostServices extends ServiceMap {
  readonly pubsub: GossipSub
  readonly identify: Identify
  readonly ping: Ping
  /** Peers on the local network, by their private addresses. */
  readonly lanDht?: KadDHT
  /** Peers anywhere, by their public addresses. */
  readonly wanDht?: KadDHT
  readonly addressBook: AddressBook
  /** There where this node is a relay. */
  readonly relay?: CircuitRelayService
}

/** Ours, so that no node strays into the tables of another system. */
const PROTOCOL_PREFIX = 'heddle'

export async function servicesOf(options: HostOptions): Promise<ServiceFactoryMap<HostServices>> {
  const isPublic = options.publicAddresses.length > 0
  const meetsOthers = options.mode !== 'standalone' && options.listen !== undefined
  const behindRouter = meetsOthers && !isPublic && !isLoopbackHost(options.listen.host)
  return {
    pubsub: gossipOf(options.topics, options.gate),
    identify: identify({ runOnLimitedConnection: true }),
    identifyPush: identifyPush({ runOnLimitedConnection: true }),
    ping: ping({ maxInboundStreams: limit('pingStreams'), runOnLimitedConnection: true }),
    ...(options.mode === 'standalone' ? {} : dhts({ isPublic })),
    addressBook: addressBook(),
    ...(meetsOthers ? { autoNat: dialBack({ protocolPrefix: PROTOCOL_PREFIX }), dcutr: dcutr() } : {}),
    ...(behindRouter ? { upnp: await portMapping() } : {}),
    ...(options.relayServer ? { relay: relayServer() } : {}),
  } as ServiceFactoryMap<HostServices>
}

/** Loaded where there may be a router to ask: its packages read XML. */
async function portMapping(): Promise<ServiceFactoryMap[string]> {
  const { uPnPNAT } = await import('@libp2p/upnp-nat')
  return uPnPNAT({ portMappingDescription: 'heddle' })
}

/** Both look peers up, and connect to those they ask; a node that should meet nobody by itself has neither. */
function dhts({
  isPublic,
}: {
  readonly isPublic: boolean
}): Pick<ServiceFactoryMap<Required<HostServices>>, 'lanDht' | 'wanDht'> {
  return {
    lanDht: dht({
      protocol: `/${PROTOCOL_PREFIX}/lan/kad/1.0.0`,
      peerInfoMapper: removePublicAddressesMapper,
      clientMode: false,
      logPrefix: 'lan-dht',
      datastorePrefix: '/lan-dht',
    }),
    wanDht: dht({
      protocol: `/${PROTOCOL_PREFIX}/kad/1.0.0`,
      peerInfoMapper: removePrivateAddressesMapper,
      // A node that nobody can dial is of no use in others' tables.
      clientMode: !isPublic,
      logPrefix: 'wan-dht',
      datastorePrefix: '/wan-dht',
    }),
  }
}
