/** Opens this node's part in its network: host, membership, sessions with peers, and what keeps its credentials alive. */
import type { CredentialUpkeep } from '../accounts/credential-upkeep.ts'
import type { Libp2pHost } from '../adapters/libp2p/host.ts'
import { speaksOnlyHttp1 } from '../adapters/libp2p/http1-client.ts'
import { Http1Connector } from '../adapters/libp2p/http1-connector.ts'
import { Libp2pGossip } from '../adapters/libp2p/libp2p-gossip.ts'
import { Libp2pPeerStreams } from '../adapters/libp2p/libp2p-peer-streams.ts'
import { statementsTopic } from '../core/identity/statement-messages.ts'
import { MESH_PROTOCOL } from '../core/mesh/session-options.ts'
import { registryTopic } from '../core/registry/gossip-batch.ts'
import type { AskPeer } from '../http/ocf/deps.ts'
import type { Membership } from '../membership/membership.ts'
import { FallbackConnector } from '../mesh/fallback-connector.ts'
import { MeshConnector, type MeshConnectorDeps } from '../mesh/mesh-connector.ts'
import { PeerSessions } from '../mesh/peer-sessions.ts'
import { pingPeer } from '../mesh/ping-peer.ts'
import type { Connector } from '../ports/connector.ts'
import type { Config } from './config.ts'
import { OwnNode } from './local-node.ts'
import type { MeshParts } from './mesh-parts.ts'
import { NetworkRules } from './network-rules.ts'
import { memoryLimitBytes, openHost } from './open-host.ts'
import { openMembership } from './open-membership.ts'
import { openNetworkOf } from './open-network.ts'
import type { Parts } from './parts.ts'

export interface Mesh extends MeshParts {
  readonly mode: 'local' | 'node'
  readonly host: Libp2pHost
  readonly membership: Membership
  readonly sessions: PeerSessions
  readonly connector: Connector
  readonly upkeep: CredentialUpkeep
  /** A question to a peer's own HTTP API. */
  readonly askPeer: AskPeer
  /** Says farewell and lets requests of peers finish, until the signal aborts. */
  leave(options: { readonly signal: AbortSignal }): Promise<void>
}

/** What sessions may hold of bodies that nobody reads, of the memory that this process may use. */
const SESSIONS_SHARE = 1 / 4

type Open = Pick<Parts, 'clock' | 'ids' | 'log' | 'identity' | 'services'>

/** Everything opened is given to `stack`. In mode standalone there is nothing to open: do not call it. */
export async function openMesh(
  stack: AsyncDisposableStack,
  parts: Open,
  config: Config & { readonly mode: 'local' | 'node' },
  { signal }: { readonly signal: AbortSignal },
): Promise<Mesh> {
  const { clock, log, identity, services } = parts
  const active = await openNetworkOf(config.paths.networksDir, identity.id)
  const rules = new NetworkRules({ clock, identity, active })
  const { network } = rules
  const topics = [registryTopic(network.id), statementsTopic(network.id)]
  const seed = identity.deviceSeed()
  const host = stack.use(
    await openHost({ log, seed, presharedKey: network.presharedKey, topics, gate: rules.gate }, config),
  )
  const own = new OwnNode({ config, identity, network, services: services.node, addresses: () => host.addresses() })
  stack.defer(host.onAddresses(() => own.changed()))
  const { node } = host
  const gossip = new Libp2pGossip({ node })
  const streams = new Libp2pPeerStreams({ node })
  const { addressesOf, admit, lost } = rules
  const sessions = stack.use(
    new PeerSessions(
      { streams, clock, log, endOfTurn: setImmediate, addressesOf, admit, lost, serve: services.servePeer },
      { self: identity.id, memoryBytes: memoryLimitBytes() * SESSIONS_SHARE },
    ),
  )
  const ping: MeshParts['ping'] = (peer, options) => pingPeer({ sessions, clock }, peer, options)
  const { membership, statements, upkeep } = await openMembership(
    stack,
    { ...parts, active, rules, own, gossip, sessions, ping },
    config,
    { signal },
  )
  const http1 = new Http1Connector({ node, clock, addressesOf })
  return {
    clock,
    mode: config.mode,
    network: { id: network.id, name: network.genesis.name },
    host,
    membership,
    sessions,
    connector: connectorOf({ node, sessions, membership, http1 }),
    upkeep,
    askPeer: (peer, request, options) => http1.ask(peer, request, options),
    connections: gossip,
    paths: (peer) => streams.paths(peer),
    ping,
    netFacts: () => host.netFacts(),
    trustOf: rules.trustOf,
    announce: (said) => statements.announce(said),
    objectionTo: (record) => rules.objectionTo(record, clock.now()),
    async leave(options) {
      await membership.leave(options)
      await sessions.leave(options)
    },
  }
}

interface ConnectorParts extends Pick<Mesh, 'membership' | 'sessions'> {
  readonly node: Libp2pHost['node']
  readonly http1: Http1Connector
}

/** Over our own frames where the peer speaks them, else over HTTP/1.1. */
function connectorOf({ node, sessions, membership, http1 }: ConnectorParts): Connector {
  const told: Pick<MeshConnectorDeps, 'observed' | 'dispatched'> = {
    observed: (peer, outcome) => membership.liveness.observed(peer, outcome),
    dispatched: (target) => membership.directory.dispatched(target),
  }
  return new FallbackConnector({
    mesh: new MeshConnector({ sessions, ...told }),
    plain: http1,
    speaksOnlyPlain: (peer) => speaksOnlyHttp1({ node, mesh: MESH_PROTOCOL }, peer),
    ...told,
  })
}
