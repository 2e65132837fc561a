/** Opens the node's libp2p host on the port that the configuration names, or says who holds it. */
import { totalmem } from 'node:os'
import { connectionBudget } from '../adapters/libp2p/connection-budget.ts'
import { type Libp2pHost, startHost } from '../adapters/libp2p/host.ts'
import type { PeerGate } from '../adapters/libp2p/host-options.ts'
import { HeddleError } from '../core/errors.ts'
import { limit } from '../core/limits.ts'
import type { Logger } from '../ports/logger.ts'
import type { Config } from './config.ts'

export interface HostParts {
  readonly log: Logger
  readonly seed: Uint8Array
  readonly presharedKey: Uint8Array | undefined
  readonly topics: readonly string[]
  readonly gate: PeerGate
}

/** With fewer a node is hardly part of a network; where not even these fit, the start is refused. */
const LEAST_CONNECTIONS = 8

/** Memory that this process may use: what its container allows, or all of the machine's. */
export function memoryLimitBytes(): number {
  const constrained = process.constrainedMemory()
  return constrained > 0 ? Math.min(constrained, totalmem()) : totalmem()
}

/** @throws HeddleError `port_in_use` where the operator chose the port, `config_invalid` */
export async function openHost(
  { log, ...parts }: HostParts,
  { mode, mesh }: Pick<Config, 'mode' | 'mesh'>,
): Promise<Libp2pHost> {
  const { listen, mayMove, publicAddresses, relay, lan, quic, maxConnections } = mesh
  const start = (port: number): Promise<Libp2pHost> =>
    startHost(
      { log },
      {
        ...parts,
        mode,
        listen: { host: listen.host, port },
        publicAddresses,
        mdns: lan,
        quic,
        relayServer: relay,
        maxConnections: maxConnections ?? fittingConnections(relay),
        memoryLimitBytes: memoryLimitBytes(),
      },
    )
  try {
    return await start(listen.port)
  } catch (error) {
    const isTaken = error instanceof HeddleError && error.code === 'port_in_use'
    if (!isTaken || !mayMove || publicAddresses.length > 0) throw error
    // A second node on one machine: it finds the first one there, and others find it by its record.
    log.info({ port: listen.port }, 'the usual port of the mesh is taken; taking a free one')
    return await start(0)
  }
}

/** A machine with little memory gets fewer connections, unless its operator says how many. */
function fittingConnections(relayServer: boolean): number {
  const most = limit('meshConnections')
  const budget = connectionBudget({ maxConnections: most, relayServer, memoryLimitBytes: memoryLimitBytes() })
  return Math.max(LEAST_CONNECTIONS, Math.min(most, budget.maxConnections))
}
