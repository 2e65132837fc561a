/** Real libp2p hosts on loopback, for tests. */
import { randomBytes } from 'node:crypto'
import type { Libp2pHost } from '../../src/adapters/libp2p/host.ts'
import { startHost } from '../../src/adapters/libp2p/host.ts'
import { type HostOptions, OPEN_GATE } from '../../src/adapters/libp2p/host-options.ts'
import { RecordingLogger } from './recording-logger.ts'

export type HostTransport = 'tcp' | 'websocket' | 'quic'

/** A host that meets nobody by itself. */
export function startTestHost(changes: Partial<HostOptions> = {}): Promise<Libp2pHost> {
  return startHost(
    { log: new RecordingLogger() },
    {
      seed: randomBytes(32),
      mode: 'standalone',
      listen: { host: '127.0.0.1', port: 0 },
      publicAddresses: [],
      presharedKey: undefined,
      mdns: false,
      quic: true,
      relayServer: false,
      topics: [],
      maxConnections: 32,
      memoryLimitBytes: 1024 ** 3,
      gate: OPEN_GATE,
      ...changes,
    },
  )
}

export interface TestHosts<Count extends number = number> extends AsyncDisposable {
  readonly hosts: Count extends 2 ? readonly [Libp2pHost, Libp2pHost] : readonly Libp2pHost[]
}

export async function startTestHosts<Count extends number>(
  count: Count,
  changes: Partial<HostOptions> = {},
): Promise<TestHosts<Count>> {
  const hosts = await Promise.all(Array.from({ length: count }, () => startTestHost(changes)))
  return {
    hosts: hosts as unknown as TestHosts<Count>['hosts'],
    async [Symbol.asyncDispose]() {
      await Promise.all(hosts.map((host) => host[Symbol.asyncDispose]()))
    },
  }
}

/** The address at which `host` is reached over one transport. */
export function addressOf(host: Libp2pHost, transport: HostTransport = 'tcp'): string {
  const address = host.addresses().find((text) => transportIn(text) === transport)
  if (address === undefined) throw new Error(`${host.id} does not listen on ${transport}`)
  return address
}

function transportIn(address: string): HostTransport {
  if (address.includes('/quic-v1')) return 'quic'
  return address.includes('/ws/') ? 'websocket' : 'tcp'
}
