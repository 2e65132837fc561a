/** The DHT, which finds peers and nothing else; its endless random walks are slowed down to what a quiet node may cost. */
import { addAbortListener } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { peerRoutingSymbol } from '@libp2p/interface'
import { type KadDHT, type KadDHTInit, kadDHT } from '@libp2p/kad-dht'
import { limit } from '../../core/limits.ts'

type OpenDht = ReturnType<typeof kadDHT>

export function dht(init: KadDHTInit): OpenDht {
  const open = kadDHT({ ...init, maxInboundStreams: limit('dhtStreams'), maxOutboundStreams: limit('dhtStreams') })
  return (components) => slowWalks(open(components))
}

/** libp2p walks again as soon as a walk has ended, for as long as it wants a relay: with few peers that is a busy loop. */
function slowWalks(service: KadDHT): KadDHT {
  const { [peerRoutingSymbol]: routing } = service as KadDHT & {
    [peerRoutingSymbol]: { getClosestPeers: KadDHTWalk }
  }
  const walk = routing.getClosestPeers.bind(routing)
  let ready: Promise<unknown> = Promise.resolve()
  routing.getClosestPeers = async function* (key, options = {}) {
    await unlessAborted(ready, options.signal)
    ready = sleep(limit('dhtWalkMs'), undefined, { ref: false })
    yield* walk(key, options)
  }
  return service
}

async function unlessAborted(event: Promise<unknown>, signal: AbortSignal | undefined): Promise<void> {
  signal?.throwIfAborted()
  const aborted = Promise.withResolvers<never>()
  using _listening = signal && addAbortListener(signal, () => aborted.reject(signal.reason))
  await Promise.race([event, aborted.promise])
}

type KadDHTWalk = (key: Uint8Array, options?: { signal?: AbortSignal }) => AsyncIterable<never>
