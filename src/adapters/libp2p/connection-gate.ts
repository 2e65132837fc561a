/** Decides which connections there may be: by who the peer is, and by how many come from one place. */
import type { ConnectionGater, PeerId } from '@libp2p/interface'
import { asNodeId, type NodeId } from '../../core/ids.ts'
import type { PeerGate } from './host-options.ts'

/** libp2p's questions, answered by ours. */
export function connectionGateOf(gate: PeerGate): ConnectionGater {
  const isRefused = (peer: PeerId): boolean => !gate.mayConnect(nodeIdOf(peer))
  return {
    // libp2p's own gate is silent on this one, except that browsers refuse private addresses.
    denyDialMultiaddr: () => false,
    denyDialPeer: isRefused,
    denyInboundEncryptedConnection: isRefused,
    denyOutboundEncryptedConnection: isRefused,
    denyInboundRelayReservation: (peer) => !gate.mayRelay(nodeIdOf(peer)),
    denyOutboundRelayedConnection: (from, to) => !gate.mayRelay(nodeIdOf(from)) || !gate.mayRelay(nodeIdOf(to)),
    denyInboundRelayedConnection: (_relay, peer) => isRefused(peer),
  }
}

export function nodeIdOf(peer: PeerId): NodeId {
  return asNodeId(peer.toString())
}
