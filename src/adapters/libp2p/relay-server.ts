/** Lets members be reached through this node, within bounds that libp2p's relay does not have. */
import { AsyncLocalStorage } from 'node:async_hooks'
import { type CircuitRelayService, circuitRelayServer } from '@libp2p/circuit-relay-v2'
import type { Connection, Stream } from '@libp2p/interface'
import { limit } from '../../core/limits.ts'

type OpenRelay = ReturnType<typeof circuitRelayServer>

/**
 * Without libp2p's default limits of 2 minutes and 128 KiB, which cut an answer off in its middle;
 * `PeerGate.mayRelay` says who may use it instead.
 */
export function relayServer(): OpenRelay {
  const open = circuitRelayServer({
    hopTimeout: limit('relayHopMs'),
    reservations: { applyDefaultLimit: false, maxReservations: limit('relayReservations') },
    maxInboundHopStreams: limit('relayStreamsPerPeer'),
    maxOutboundHopStreams: limit('relayStreamsPerPeer'),
    maxOutboundStopStreams: limit('relayedConnections'),
  })
  return (components) => {
    const server = open(components)
    new RelayFlow().attach(server)
    return server
  }
}

/** What the server does for a circuit; no part of libp2p's interface, so `hooksOf` looks for it. */
interface RelayHooks {
  /** `stream`: of the peer that asks for a circuit. */
  onHop(stream: Stream, connection: Connection): Promise<void>
  /** A stream to the peer that is asked for; undefined where that refuses. */
  stopHop(question: unknown, options: unknown): Promise<Stream | undefined>
}

/** Holds a circuit's sender back while its receiver is behind: libp2p would put all that waits into memory. */
class RelayFlow {
  readonly #asking = new AsyncLocalStorage<Stream>()
  #circuits = 0

  attach(server: CircuitRelayService): void {
    const hooks = hooksOf(server)
    const onHop = hooks.onHop.bind(server)
    const stopHop = hooks.stopHop.bind(server)
    hooks.onHop = (stream, connection) => this.#asking.run(stream, () => onHop(stream, connection))
    hooks.stopHop = async (question, options) => {
      const near = this.#asking.getStore()
      if (near === undefined || this.#circuits >= limit('relayCircuits')) return undefined
      this.#circuits += 1
      near.addEventListener('close', () => {
        this.#circuits -= 1
      })
      const far = await stopHop(question, options)
      if (far === undefined) return undefined
      holdBack(near, far)
      holdBack(far, near)
      return far
    }
  }
}

/** Pauses `from` while more than a bound of its bytes has not been given to `to`. */
function holdBack(from: Stream, to: Stream): void {
  const bound = limit('relayBacklogBytes')
  let waitingBytes = 0
  from.addEventListener('message', ({ data }) => {
    waitingBytes += data.byteLength
    if (waitingBytes > bound && from.readStatus === 'readable') from.pause()
  })
  const send = to.send.bind(to)
  to.send = (data) => {
    waitingBytes -= data.byteLength
    if (waitingBytes <= bound / 2 && from.readStatus === 'paused') from.resume()
    return send(data)
  }
}

function hooksOf(server: CircuitRelayService): RelayHooks {
  const hooks = server as unknown as Partial<RelayHooks>
  if (typeof hooks.onHop !== 'function' || typeof hooks.stopHop !== 'function') {
    throw new TypeError('this version of the relay has no hooks')
  }
  return hooks as RelayHooks
}
