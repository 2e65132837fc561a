/** Streams of real hosts keep the promises of a Duplex, over every transport. */
import { setTimeout as sleep } from 'node:timers/promises'
import { type DuplexScope, duplexContract } from '../../../test/contracts/duplex.contract.ts'
import { addressOf, type HostTransport, startTestHosts } from '../../../test/support/libp2p-hosts.ts'
import type { Duplex } from '../../ports/duplex.ts'
import { Libp2pPeerStreams } from './libp2p-peer-streams.ts'

const PROTOCOL = '/heddle/test-duplex/1'

const NAMES: Readonly<Record<HostTransport, string>> = {
  tcp: 'a libp2p stream over TCP and TLS',
  websocket: 'a libp2p stream over WebSocket',
  quic: 'a libp2p stream over QUIC',
}

for (const transport of ['tcp', 'websocket', 'quic'] as const) {
  const abortIsSeenAs = transport === 'quic' ? 'end' : 'error'
  const open = async (): Promise<DuplexScope> => {
    const started = await startTestHosts(2)
    const [a, b] = started.hosts
    const accepted = Promise.withResolvers<Duplex>()
    new Libp2pPeerStreams(b).accept(PROTOCOL, accepted.resolve)
    const signal = AbortSignal.timeout(10_000)
    const addresses = [addressOf(b, transport)]
    const opened = await new Libp2pPeerStreams(a).open(b.id, PROTOCOL, { addresses, signal })
    return {
      ends: [opened, await accepted.promise],
      async until(condition) {
        const endsAt = performance.now() + 10_000
        while (!condition()) {
          if (performance.now() > endsAt) throw new Error('it never came true')
          await sleep(1)
        }
      },
      [Symbol.asyncDispose]: () => started[Symbol.asyncDispose](),
    }
  }
  duplexContract(NAMES[transport], open, { abortIsSeenAs })
}
