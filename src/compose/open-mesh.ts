/** Opens this node's part in its network: host, membership, sessions with peers, and what keeps its credentials alive. */
import { join } from 'node:path'
import { CertificateCheck } from '../accounts/certificate-check.ts'
import { CredentialUpkeep } from '../accounts/credential-upkeep.ts'
import { resolveBootstrap } from '../adapters/libp2p/bootstrap-list.ts'
import type { Libp2pHost } from '../adapters/libp2p/host.ts'
import type { PeerGate } from '../adapters/libp2p/host-options.ts'
import { speaksOnlyHttp1 } from '../adapters/libp2p/http1-client.ts'
import { Http1Connector } from '../adapters/libp2p/http1-connector.ts'
import { Libp2pGossip } from '../adapters/libp2p/libp2p-gossip.ts'
import { Libp2pPeerStreams } from '../adapters/libp2p/libp2p-peer-streams.ts'
import { FileSnapshotStore } from '../adapters/system/file-snapshot-store.ts'
import { StatementFile } from '../adapters/system/statement-file.ts'
import { statementsTopic } from '../core/identity/statement-messages.ts'
import type { AccountId, NodeId, UnixMs } from '../core/ids.ts'
import { limit } from '../core/limits.ts'
import { MESH_PROTOCOL } from '../core/mesh/session-options.ts'
import type { NetworkMembership } from '../core/network/network-membership.ts'
import { registryTopic } from '../core/registry/gossip-batch.ts'
import type { NodeRecord } from '../core/registry/node-record.ts'
import type { AskPeer } from '../http/ocf/deps.ts'
import type { MembershipDeps } from '../membership/deps.ts'
import { Membership } from '../membership/membership.ts'
import { Statements } from '../membership/statements.ts'
import { FallbackConnector } from '../mesh/fallback-connector.ts'
import { MeshConnector, type MeshConnectorDeps } from '../mesh/mesh-connector.ts'
import { PeerSessions } from '../mesh/peer-sessions.ts'
import { pingPeer } from '../mesh/ping-peer.ts'
import type { Connector } from '../ports/connector.ts'
import type { Config } from './config.ts'
import { OwnNode } from './local-node.ts'
import type { MeshParts } from './mesh-parts.ts'
import { memoryLimitBytes, openHost } from './open-host.ts'
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
  const { network } = active
  const check = new CertificateCheck({ book: identity.deps.book, account: identity.account })
  const objectionTo = (record: NodeRecord, now: UnixMs): string | undefined =>
    check.objectionTo(record, now) ?? network.objectionTo(record, now)
  const late: Late = { host: undefined, membership: undefined }
  const gate = gateOf(late, network, (record) => check.trustOf(record, clock.now()) === 'self')
  const host = stack.use(
    await openHost(
      {
        log,
        seed: identity.deviceSeed(),
        presharedKey: network.presharedKey,
        topics: [registryTopic(network.id), statementsTopic(network.id)],
        gate,
      },
      config,
    ),
  )
  late.host = host
  const own = new OwnNode({ config, identity, network, services: services.node, addresses: () => host.addresses() })
  stack.defer(host.onAddresses(() => own.changed()))
  const trustOf = (record: NodeRecord) => check.trustOf(record, clock.now())
  const { node } = host
  const gossip = new Libp2pGossip({ node })
  const streams = new Libp2pPeerStreams({ node })
  const addressesOf = (peer: NodeId): readonly string[] =>
    late.membership?.registry.table.get(peer)?.record.addresses ?? []
  const sessions = stack.use(
    new PeerSessions(
      {
        streams,
        clock,
        log,
        endOfTurn: setImmediate,
        addressesOf,
        admit: (peer, options) => late.membership?.admit(peer, options) ?? Promise.resolve(false),
        serve: services.servePeer,
      },
      { self: identity.id, memoryBytes: memoryLimitBytes() * SESSIONS_SHARE },
    ),
  )
  const ping: MeshParts['ping'] = (peer, options) => pingPeer({ sessions, clock }, peer, options)
  const membership = openMembership(parts, config, { network, own, gossip, objectionTo, trustOf, ping })
  late.membership = membership
  const upkeep = new CredentialUpkeep({
    clock,
    log,
    identity,
    statements: identity.deps.store.statements,
    active,
    onRenewed: () => own.changed(),
    recheck: () => recheck(membership, sessions),
  })
  const statements = stack.use(
    new Statements({
      clock,
      chance: parts.ids,
      log,
      gossip,
      network: network.id,
      book: identity.deps.book,
      store: new StatementFile(config.paths.statementsFile),
      mayHear: (peer) => gate.mayGossip(peer),
      neededAccounts: () => neededAccounts(membership, check, identity.account, clock.now()),
      onAdded: (added) => {
        recheck(membership, sessions)
        void upkeep.heard(added)
      },
    }),
  )
  await statements.start()
  stack.use(membership)
  sessions.start()
  await membership.start({ signal })
  stack.use(upkeep).start()
  const told: Pick<MeshConnectorDeps, 'observed' | 'dispatched'> = {
    observed: (peer, outcome) => membership.liveness.observed(peer, outcome),
    dispatched: (target) => membership.directory.dispatched(target),
  }
  const http1 = new Http1Connector({ node, clock, addressesOf })
  const connector = new FallbackConnector({
    mesh: new MeshConnector({ sessions, ...told }),
    plain: http1,
    speaksOnlyPlain: (peer) => speaksOnlyHttp1({ node, mesh: MESH_PROTOCOL }, peer),
    ...told,
  })
  return {
    clock,
    mode: config.mode,
    network: { id: network.id, name: network.genesis.name },
    host,
    membership,
    sessions,
    connector,
    upkeep,
    askPeer: (peer, request, options) => http1.ask(peer, request, options),
    connections: gossip,
    paths: (peer) => streams.paths(peer),
    ping,
    netFacts: () => host.netFacts(),
    trustOf,
    announce: (said) => statements.announce(said),
    objectionTo: (record) => objectionTo(record, clock.now()),
    async leave(options) {
      await membership.leave(options)
      await sessions.leave(options)
    },
  }
}

/** Parts that need each other: what is asked before they are all there is answered with no. */
interface Late {
  host: Libp2pHost | undefined
  membership: Membership | undefined
}

function gateOf(
  late: Late,
  { isPrivate }: Pick<NetworkMembership, 'isPrivate'>,
  isOwn: (record: NodeRecord) => boolean,
): PeerGate {
  const recordOf = (peer: NodeId): NodeRecord | undefined => late.membership?.registry.table.get(peer)?.record
  return {
    // Who belongs to the network is known only after talking to it; nothing is served before.
    mayConnect: () => true,
    mayRelay: (peer) => {
      if (recordOf(peer) !== undefined) return true
      const signal = AbortSignal.timeout(limit('admissionWaitMs'))
      return late.membership?.admit(peer, { signal }).catch(() => false) ?? false
    },
    mayGossip: (peer) => !isPrivate || recordOf(peer) !== undefined,
    isTrusted: (peer) => {
      const record = recordOf(peer)
      return record !== undefined && isOwn(record)
    },
  }
}

interface MembershipParts extends Pick<MembershipDeps, 'gossip' | 'objectionTo' | 'trustOf'> {
  readonly network: NetworkMembership
  readonly own: OwnNode
  readonly ping: MeshParts['ping']
}

function openMembership(
  { clock, ids, log, identity }: Open,
  { mesh, paths }: Config,
  { network, own, ping, ...parts }: MembershipParts,
): Membership {
  return new Membership(
    {
      ...parts,
      clock,
      chance: ids,
      log,
      scheme: identity.deps.verifier,
      key: identity.signer,
      network: network.id,
      membersOnly: network.isPrivate,
      local: own,
      store: new FileSnapshotStore(join(paths.registriesDir, network.id)),
      probe: async (peer, options) => void (await ping(peer, options)),
    },
    {
      bootstrap: async ({ signal }) => {
        const self = identity.id
        const known = await resolveBootstrap(network.bootstrapAddresses, { self, signal })
        return [...known, ...(await resolveBootstrap(mesh.bootstrap, { self, signal }))]
      },
    },
  )
}

/** What was said of an account, or the end of a credential, speaks against nodes that were members before. */
function recheck(membership: Membership, sessions: PeerSessions): void {
  membership.recheck()
  void sessions.recheck()
}

function neededAccounts(
  { registry }: Membership,
  check: CertificateCheck,
  own: AccountId,
  now: UnixMs,
): ReadonlySet<AccountId> {
  const listed = [...registry.table.values()].map(({ record }) => check.accountOf(record, now))
  return new Set([own, ...listed.filter((account) => account !== undefined)])
}
