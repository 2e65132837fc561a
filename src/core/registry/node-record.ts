/** The signed entry of one node in the registry: who it is, where it is reached and what it serves. ARCHITECTURE.md §6. */
import type { PublicKey } from '../identity/ed25519-rules.ts'
import type { NetworkId, NodeId, UnixMs } from '../ids.ts'
import type { ModelOffer, RuntimeState } from '../routing/candidate.ts'

/** The number of a record among those of its author: a later incarnation beats an earlier one, then the higher sequence wins. */
export interface Position {
  /** Grows with every start of the node. */
  readonly incarnation: number
  /** Grows with every record of an incarnation. */
  readonly seq: number
}

export const NODE_ROLES = ['provider', 'gateway', 'relay', 'bootstrap'] as const
export type NodeRole = (typeof NODE_ROLES)[number]

export const REGION_ORIGINS = ['configured', 'detected'] as const
export interface NodeRegion {
  readonly name: string
  readonly origin: (typeof REGION_ORIGINS)[number]
}

export interface Accelerator {
  readonly name: string
  readonly memoryBytes: number
}

export interface HardwareProfile {
  readonly cores: number
  readonly memoryBytes: number
  readonly accelerators: readonly Accelerator[]
}

/** What changes fast about a service. It travels in load beats between two records. */
export interface ServiceLoad {
  readonly inFlight: number
  readonly queued: number
  /** Tokens a second that it reads and writes, whole numbers; 0 where nothing was measured. */
  readonly inputRate: number
  readonly outputRate: number
}

export const IDLE_LOAD: ServiceLoad = { inFlight: 0, queued: 0, inputRate: 0, outputRate: 0 }

export interface NodeService {
  /** `llm` first of all. */
  readonly name: string
  /** Tells several services of one name apart on their node, e.g. `llama`; never an address of the node's inner network. */
  readonly runtime: string
  readonly state: RuntimeState
  /** `key=value`, `key=*` or `all`; those of the models are not repeated here. */
  readonly groups: readonly string[]
  readonly offers: readonly ModelOffer[]
  /** Requests that it works on at once. */
  readonly capacity: number
  /** When the record was signed. */
  readonly load: ServiceLoad
}

/** What a node says of itself; the rest of its record is numbers that its publisher gives. */
export interface NodeDescription {
  /** Shown to people. */
  readonly name: string
  /** As `core/identity` writes it; empty where the network needs none. */
  readonly certificate: Uint8Array
  /** The network's word that the device is a member, as `core/network` writes it; undefined in a network that is open to all. */
  readonly membership?: Uint8Array | undefined
  readonly roles: readonly NodeRole[]
  /** Multiaddrs. */
  readonly addresses: readonly string[]
  readonly directUrl?: string | undefined
  readonly region?: NodeRegion | undefined
  /** ISO 3166-1 alpha-2. */
  readonly country?: string | undefined
  readonly hardware?: HardwareProfile | undefined
  readonly tiers: readonly string[]
  readonly version: string
  /** Versions of `/heddle/mesh` that it speaks, both included. */
  readonly protocol: { readonly least: number; readonly most: number }
  readonly services: readonly NodeService[]
}

export interface NodeRecord extends NodeDescription, Position {
  /** Derived from the public key. */
  readonly peer: NodeId
  /** The device key. */
  readonly publicKey: PublicKey
  readonly network: NetworkId
  /** By the author's clock. */
  readonly signedAt: UnixMs
  /** How long the record lives after the last sign of life; 0 says that the node leaves. */
  readonly leaseMs: number
}

/** A record whose signature is good. */
export interface SignedRecord {
  readonly record: NodeRecord
  /** As it travels; passed on as it came, so that fields of later versions stay under the signature. */
  readonly bytes: Uint8Array
  /** SHA-256 of what is signed, lower-case hex; says nothing of the signature. */
  readonly id: string
}

/** Negative, zero or positive, as `a` is before, at or after `b`. */
export function comparePositions(a: Position, b: Position): number {
  return a.incarnation - b.incarnation || a.seq - b.seq
}

/** Whether the record is its author's farewell. */
export function isFarewell(record: Pick<NodeRecord, 'leaseMs'>): boolean {
  return record.leaseMs === 0
}

/** How full a service is, in one word; a change of it is worth a load beat at once. */
export function loadClassOf(service: Pick<NodeService, 'capacity'>, load: ServiceLoad): 'free' | 'full' | 'queueing' {
  if (load.queued > 0) return 'queueing'
  return load.inFlight >= Math.max(1, service.capacity) ? 'full' : 'free'
}
