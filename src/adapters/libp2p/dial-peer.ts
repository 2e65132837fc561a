/** Dials a peer at the addresses that are known of it, the likely ones first. */
import type { Libp2p, PeerId } from '@libp2p/interface'
import { type Multiaddr, multiaddr } from '@multiformats/multiaddr'
import { HeddleError } from '../../core/errors.ts'
import { limit } from '../../core/limits.ts'

const DIAL_MS = limit('meshDialMs')

interface Waiting {
  readonly signal: AbortSignal
}

/**
 * Tries `addresses`, then those that libp2p remembers; where there are none at all, it asks connected nodes for some.
 * A machine that refuses TCP is not waited for on QUIC: there, a port that nobody holds looks like a packet that was lost.
 */
export async function dialPeer(
  { node }: { readonly node: Libp2p },
  id: PeerId,
  addresses: readonly string[],
  { signal }: Waiting,
): Promise<void> {
  const waiting = { signal: AbortSignal.any([signal, AbortSignal.timeout(DIAL_MS)]) }
  const known = addressesOf(id, addresses)
  const remembered = addressesOf(id, await rememberedOf(node, id)).filter(
    (address) => !known.some((each) => each.equals(address)),
  )
  const first = known.filter((address) => !isQuic(address))
  const rest = [...known.filter(isQuic), ...remembered]
  if (first.length === 0) return dialRest(node, id, rest, waiting)
  try {
    await node.dial(first, waiting)
  } catch (error) {
    waiting.signal.throwIfAborted()
    const refusing = refusingHosts(error)
    const left = rest.filter((address) => !refusing.has(hostOf(address)))
    if (left.length === 0) throw error
    await node.dial(left, waiting)
  }
}

async function dialRest(node: Libp2p, id: PeerId, addresses: readonly Multiaddr[], waiting: Waiting): Promise<void> {
  if (addresses.length > 0) await node.dial([...addresses], waiting)
  else if (node.getConnections().length > 0) await node.dial(id, waiting)
  else throw new HeddleError('peer_unreachable', 'no address of the peer is known, and no node is connected to ask')
}

async function rememberedOf(node: Libp2p, id: PeerId): Promise<readonly string[]> {
  try {
    const { addresses } = await node.peerStore.get(id)
    return addresses.map((address) => address.multiaddr.toString())
  } catch {
    // It was never heard of.
    return []
  }
}

/** Those that can be parsed, with the id of the peer that must answer; without those of another peer. */
function addressesOf(id: PeerId, texts: readonly string[]): readonly Multiaddr[] {
  const found: Multiaddr[] = []
  for (const text of texts) {
    try {
      const address = multiaddr(text)
      const last = address.getComponents().at(-1)
      if (last?.name !== 'p2p') found.push(address.encapsulate(`/p2p/${id.toString()}`))
      else if (last.value === id.toString()) found.push(address)
    } catch {
      // A record may hold addresses of a kind that this version does not know.
    }
  }
  return found
}

function isQuic(address: Multiaddr): boolean {
  return address.getComponents().some(({ name }) => name === 'quic-v1')
}

/** The address of a machine: the value of the first component. */
function hostOf(address: Multiaddr): string {
  return address.getComponents()[0]?.value ?? ''
}

/** Machines that answered a dial with a refusal. */
function refusingHosts(error: unknown): ReadonlySet<string> {
  const hosts = new Set<string>()
  const causes: unknown[] = error instanceof AggregateError ? error.errors : [error]
  for (const cause of causes) {
    const { code, address } = cause as { readonly code?: unknown; readonly address?: unknown }
    if (code === 'ECONNREFUSED' && typeof address === 'string') hosts.add(address)
  }
  return hosts
}
