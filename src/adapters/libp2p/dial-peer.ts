/** Dials a peer at the addresses that are known of it, the likely ones first. */
import { networkInterfaces } from 'node:os'
import type { Libp2p, PeerId } from '@libp2p/interface'
import { type Multiaddr, multiaddr } from '@multiformats/multiaddr'
import { HeddleError } from '../../core/errors.ts'
import { limit } from '../../core/limits.ts'
import { dialOrder } from './dial-order.ts'

const DIAL_MS = limit('meshDialMs')

interface Waiting {
  readonly signal: AbortSignal
}

/**
 * Tries `addresses` and those that libp2p remembers: first those that are likely to answer from here, then circuits, then private
 * addresses of other networks. Where a circuit answers first, the direct ways are tried on behind it, and `onPath` tells of one
 * that opens. Where there are no addresses at all, connected nodes are asked for some.
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
  const { near, circuits, far } = dialOrder(
    [...known, ...remembered],
    Object.values(networkInterfaces()).flat().filter(isGiven),
  )
  if (circuits.length === 0) return await dialDirect(node, id, [...near, ...far], waiting)
  const patience = AbortSignal.any([waiting.signal, AbortSignal.timeout(limit('directDialMs'))])
  try {
    if (near.length > 0) return await dialDirect(node, id, near, { signal: patience })
  } catch {
    waiting.signal.throwIfAborted()
  }
  await dialAny(node, circuits, [...near, ...far], waiting)
}

/** Over a circuit; where that fails, directly after all. */
async function dialAny(
  node: Libp2p,
  circuits: readonly Multiaddr[],
  direct: readonly Multiaddr[],
  waiting: Waiting,
): Promise<void> {
  try {
    await node.dial([...circuits], waiting)
  } catch (error) {
    waiting.signal.throwIfAborted()
    if (direct.length === 0) throw error
    return void (await node.dial([...direct], waiting))
  }
  if (direct.length === 0) return
  node.dial([...direct], { signal: AbortSignal.timeout(DIAL_MS), force: true }).catch(stayOnCircuit)
}

function stayOnCircuit(): void {}

/** A machine that refuses TCP is not waited for on QUIC: there, a port that nobody holds looks like a packet that was lost. */
async function dialDirect(node: Libp2p, id: PeerId, addresses: readonly Multiaddr[], waiting: Waiting): Promise<void> {
  const first = addresses.filter((address) => !isQuic(address))
  const rest = addresses.filter(isQuic)
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

function isGiven<T>(value: T | undefined): value is T {
  return value !== undefined
}
