/** What the admin API says of the network around this node: nodes, peers, a ping, and how it is connected. */
import { z } from 'zod'
import { HealthItem, NodeView, RuntimeStateView, Timestamp } from './admin.ts'

/** How bytes travel to a peer. */
export const PathView = z.object({
  /** `circuit`: through a relay. */
  kind: z.enum(['direct', 'circuit']),
  transport: z.enum(['tcp', 'websocket', 'quic', 'memory']),
  /** The multiaddr of the other side, as this side sees it. */
  address: z.string(),
})
export type PathView = z.infer<typeof PathView>

export const MeshMode = z.enum(['standalone', 'local', 'node'])
export type MeshMode = z.infer<typeof MeshMode>

/** `GET /api/v1/nodes`: this node first, then the others by name. */
export const NodeList = z
  .object({ schema: z.literal('heddle.nodes/v1'), mode: MeshMode, nodes: z.array(NodeView) })
  .meta({ id: 'NodeList' })
export type NodeList = z.infer<typeof NodeList>

/** One instance of a service on a node, with the models where it is `llm`. */
export const NodeServiceView = z.object({
  name: z.string(),
  runtime: z.string(),
  state: RuntimeStateView,
  groups: z.array(z.string()),
  models: z.array(
    z.object({
      id: z.string(),
      contextTokens: z.int().nullable(),
      quantisation: z.string().nullable(),
      parameters: z.number().nullable(),
      sizeBytes: z.int().nullable(),
      /** SHA-256 of the weights, lower-case hex. */
      digest: z.string().nullable(),
    }),
  ),
  inFlight: z.int().nonnegative(),
  queued: z.int().nonnegative(),
  capacity: z.int().nonnegative(),
})
export type NodeServiceView = z.infer<typeof NodeServiceView>

/** `GET /api/v1/nodes/{node}`: all that its record says, and what this node sees of it. */
export const NodeDetail = NodeView.extend({
  schema: z.literal('heddle.node/v1'),
  fingerprint: z.string(),
  /** The account that its certificate names; null where it shows none. */
  accountId: z.string().nullable(),
  roles: z.array(z.string()),
  addresses: z.array(z.string()),
  directUrl: z.string().nullable(),
  country: z.string().nullable(),
  hardware: z
    .object({
      cores: z.int(),
      memoryBytes: z.int(),
      accelerators: z.array(z.object({ name: z.string(), memoryBytes: z.int() })),
    })
    .nullable(),
  /** Versions of the mesh protocol that it speaks, both included; null where it is off. */
  protocol: z.object({ least: z.int(), most: z.int() }).nullable(),
  services: z.array(NodeServiceView),
  /** Null where this node publishes none. */
  record: z
    .object({
      incarnation: z.int(),
      seq: z.int(),
      signedAt: Timestamp,
      leaseMs: z.int().nonnegative(),
      /** Until it is gone from this node's table if it stays silent; null for this node itself. */
      leaseLeftMs: z.number().nonnegative().nullable(),
    })
    .nullable(),
  /** The ways on which it is connected now, best first. */
  paths: z.array(PathView),
}).meta({ id: 'NodeDetail' })
export type NodeDetail = z.infer<typeof NodeDetail>

export const PeerView = z.object({
  id: z.string(),
  /** Null where its record is not here. */
  name: z.string().nullable(),
  account: z.enum(['self', 'other']).nullable(),
  paths: z.array(PathView),
  rttMs: z.number().nonnegative().nullable(),
  /** Why nothing is exchanged with it: another network, protocol version or time; null where all is well. */
  objection: z.string().nullable(),
})
export type PeerView = z.infer<typeof PeerView>

/** `GET /api/v1/peers`: who is connected now. */
export const PeerList = z
  .object({ schema: z.literal('heddle.peers/v1'), peers: z.array(PeerView) })
  .meta({ id: 'PeerList' })
export type PeerList = z.infer<typeof PeerList>

/** `POST /api/v1/peers`: dials a multiaddr. */
export const ConnectPeer = z.strictObject({ address: z.string().min(1).max(512) }).meta({ id: 'ConnectPeer' })
export type ConnectPeer = z.infer<typeof ConnectPeer>
export const ConnectedPeer = PeerView.extend({ schema: z.literal('heddle.peer/v1') }).meta({ id: 'ConnectedPeer' })
export type ConnectedPeer = z.infer<typeof ConnectedPeer>

export const PING_LAYERS = ['path', 'http', 'inference'] as const
export type PingLayer = (typeof PING_LAYERS)[number]

/** `POST /api/v1/ping`: one round trip, on each layer up to the one asked for. */
export const PingRequest = z
  .strictObject({ node: z.string().min(1).max(256), layer: z.enum(PING_LAYERS).default('path') })
  .meta({ id: 'PingRequest' })
export type PingRequest = z.infer<typeof PingRequest>

export const PingReply = z
  .object({
    schema: z.literal('heddle.ping/v1'),
    node: z.object({ id: z.string(), name: z.string() }),
    layer: z.enum(PING_LAYERS),
    path: PathView.nullable(),
    /** A frame there and back. */
    rttMs: z.number().nonnegative(),
    /** A request to its `llm` service that no runtime has to think about. */
    http: z.object({ status: z.int(), ms: z.number().nonnegative() }).nullable(),
    /** One token of a model. */
    inference: z
      .object({ model: z.string(), runtime: z.string(), status: z.int(), ms: z.number().nonnegative() })
      .nullable(),
  })
  .meta({ id: 'Ping' })
export type PingReply = z.infer<typeof PingReply>

/** `GET /api/v1/netcheck`: how this node is connected, and what to do where it is not. */
export const Netcheck = z
  .object({
    schema: z.literal('heddle.netcheck/v1'),
    mode: MeshMode,
    /** Multiaddrs on which it listens. */
    listen: z.array(z.string()),
    /** Multiaddrs that others are told. */
    addresses: z.array(z.string()),
    /** Where peers say that connections of this node come from. */
    observed: z.array(z.string()),
    /** Addresses at the router that lead here. */
    mapped: z.array(z.string()),
    /** Whether nodes elsewhere can dial this one, as they found out. */
    reachability: z.enum(['public', 'private', 'unknown']),
    /** Whether peers see connections come from an address that this node does not have. */
    nat: z.enum(['none', 'present', 'unknown']),
    quic: z.object({ isOn: z.boolean(), reason: z.string() }),
    /** Nodes through which this one can be reached. */
    relays: z.array(z.object({ id: z.string(), name: z.string().nullable() })),
    /** Nodes that are reached through this one; null where it is no relay. */
    relayed: z.int().nonnegative().nullable(),
    /** Whether nodes of the LAN find each other. */
    mdns: z.boolean(),
    bootstrap: z.object({
      addresses: z.int().nonnegative(),
      failedRounds: z.int().nonnegative(),
      /** Why the last dial failed; empty where none did. */
      reason: z.string(),
    }),
    peers: z.object({ direct: z.int().nonnegative(), circuit: z.int().nonnegative() }),
    /** Connections by what carries them; those through a relay are not among them. */
    transports: z.object({
      tcp: z.int().nonnegative(),
      websocket: z.int().nonnegative(),
      quic: z.int().nonnegative(),
    }),
    /** How far the clock is behind those of the peers; null before the first comparison. */
    clockSkewMs: z.number().nullable(),
    findings: z.array(HealthItem),
    /** All of it in one sentence. */
    verdict: z.string(),
  })
  .meta({ id: 'Netcheck' })
export type Netcheck = z.infer<typeof Netcheck>
