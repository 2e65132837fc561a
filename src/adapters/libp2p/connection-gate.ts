/** Decides which connections there may be: by who the peer is, and by how many come from one part of the internet. */
import type { Connection, ConnectionGater, MultiaddrConnection, PeerId } from '@libp2p/interface'
import { asNodeId, type NodeId } from '../../core/ids.ts'
import { limit } from '../../core/limits.ts'
import { blockOf } from '../../core/registry/address-block.ts'
import type { PeerGate } from './host-options.ts'

/** libp2p's questions, answered by ours. */
export class ConnectionGate implements ConnectionGater {
  readonly #gate: PeerGate
  #connections: () => readonly Connection[] = () => []

  constructor(gate: PeerGate) {
    this.#gate = gate
  }

  /** Where to look up what is connected; the gate is needed before there is a node to ask. */
  countIn(connections: () => readonly Connection[]): void {
    this.#connections = connections
  }

  /** libp2p's own default refuses some addresses in browsers only. */
  denyDialMultiaddr(): boolean {
    return false
  }

  denyDialPeer(peer: PeerId): boolean {
    return this.#isRefused(peer)
  }

  denyOutboundEncryptedConnection(peer: PeerId): boolean {
    return this.#isRefused(peer)
  }

  denyInboundEncryptedConnection(peer: PeerId, connection: MultiaddrConnection): boolean {
    return this.#isRefused(peer) || this.#isCrowded(peer, connection)
  }

  async denyInboundRelayReservation(peer: PeerId): Promise<boolean> {
    return !(await this.#gate.mayRelay(nodeIdOf(peer)))
  }

  async denyOutboundRelayedConnection(from: PeerId, to: PeerId): Promise<boolean> {
    const both = await Promise.all([this.#gate.mayRelay(nodeIdOf(from)), this.#gate.mayRelay(nodeIdOf(to))])
    return both.includes(false)
  }

  denyInboundRelayedConnection(_relay: PeerId, peer: PeerId): boolean {
    return this.#isRefused(peer)
  }

  #isRefused(peer: PeerId): boolean {
    return !this.#gate.mayConnect(nodeIdOf(peer))
  }

  /** Whether one site would have too many connections to this node; its own further ones to a peer count too. */
  #isCrowded(peer: PeerId, { remoteAddr }: MultiaddrConnection): boolean {
    const block = blockOf(remoteAddr.toString())
    if (block === undefined || this.#gate.isTrusted(nodeIdOf(peer))) return false
    const others = this.#connections().filter(
      (open) => open.direction === 'inbound' && blockOf(open.remoteAddr.toString()) === block,
    )
    return others.length >= limit('meshConnectionsPerBlock')
  }
}

export function nodeIdOf(peer: PeerId): NodeId {
  return asNodeId(peer.toString())
}
