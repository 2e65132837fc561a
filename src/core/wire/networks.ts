/** What `heddle network` says of the networks of this machine, for programs. */

interface NetworkPart {
  /** SHA-256 of its genesis, lower-case hex. */
  readonly id: string
  readonly name: string
  /** RFC 3339; null for the open network. */
  readonly createdAt: string | null
  /** Whether the node takes part in it, from its next start on. */
  readonly isActive: boolean
  readonly isPrivate: boolean
  /** Whether this machine may admit others. */
  readonly hasKey: boolean
  readonly hasPresharedKey: boolean
  /** Multiaddrs where it was met. */
  readonly addresses: readonly string[]
  /** Null where this machine is no member, and on the open network. */
  readonly memberUntil: string | null
  /** Why it is no member; empty otherwise. */
  readonly reason: string
}

export interface NetworkDocument extends NetworkPart {
  readonly schema: 'heddle.network/v1'
}

export interface NetworkListDocument {
  readonly schema: 'heddle.networks/v1'
  /** The open network first. */
  readonly networks: readonly NetworkPart[]
}

export type { NetworkPart }
