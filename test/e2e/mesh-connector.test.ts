/** The mesh connector between real libp2p hosts on loopback: the contract over every transport, and dials that cross. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Libp2pHost } from '../../src/adapters/libp2p/host.ts'
import { Libp2pPeerStreams } from '../../src/adapters/libp2p/libp2p-peer-streams.ts'
import type { ScriptOptions } from '../../src/adapters/runtimes/script-options.ts'
import { SystemClock } from '../../src/adapters/system/system-clock.ts'
import type { MeshDeps } from '../../src/mesh/deps.ts'
import { MeshConnector } from '../../src/mesh/mesh-connector.ts'
import { PeerSessions } from '../../src/mesh/peer-sessions.ts'
import { pingPeer } from '../../src/mesh/ping-peer.ts'
import { type ConnectorScope, connectorContract } from '../contracts/connector.contract.ts'
import { addressOf, type HostTransport, startTestHosts } from '../support/libp2p-hosts.ts'
import { echo, GIB, meshTarget } from '../support/mesh-fabric.ts'
import { bytesOf, readAll, requestOf, textOf } from '../support/mesh-pair.ts'
import { RecordingLogger } from '../support/recording-logger.ts'
import { providerOf, servedBy } from '../support/script-connectors.ts'
import { waitUntil } from '../support/wait-until.ts'

const clock = new SystemClock()
/** The contract lets virtual seconds pass where real ones need not. */
const MOST_REAL_MS = 300

function openSide(host: Libp2pHost, other: Libp2pHost, transport: HostTransport, serve: MeshDeps['serve']) {
  const sessions = new PeerSessions(
    {
      streams: new Libp2pPeerStreams(host),
      clock,
      log: new RecordingLogger(),
      endOfTurn: setImmediate,
      addressesOf: () => [addressOf(other, transport)],
      lost: () => undefined,
      admit: async () => true,
      serve,
    },
    { self: host.id, memoryBytes: GIB },
  )
  sessions.start()
  const connector = new MeshConnector({ sessions, observed: () => undefined, dispatched: () => () => undefined })
  return { sessions, connector }
}

async function realScope(transport: HostTransport, script: Partial<ScriptOptions>): Promise<ConnectorScope> {
  const started = await startTestHosts(2)
  const [client, server] = started.hosts
  const { runtime, provider, remove } = providerOf(clock, script)
  const asking = openSide(client, server, transport, echo)
  const serving = openSide(server, client, transport, servedBy(provider))
  return {
    connector: asking.connector,
    target: meshTarget(server.id),
    runtime,
    remove,
    during: (promise) => promise,
    until: async (condition) => void (await waitUntil(condition, 'a condition of the contract')),
    advance: (ms) => sleep(Math.min(ms, MOST_REAL_MS)),
    [Symbol.asyncDispose]: async () => {
      for (const { sessions } of [asking, serving]) await sessions[Symbol.asyncDispose]()
      await provider[Symbol.asyncDispose]()
      await started[Symbol.asyncDispose]()
    },
  }
}

for (const transport of ['tcp', 'websocket', 'quic'] as const)
  connectorContract(`MeshConnector over ${transport}`, (script) => realScope(transport, script))

describe('sessions between real hosts', () => {
  it('come down to one when both ends dial at once, and lose no request', async (t) => {
    for (const transport of ['tcp', 'quic'] as const) {
      await using started = await startTestHosts(2)
      const [a, b] = started.hosts
      const atA = openSide(a, b, transport, echo)
      const atB = openSide(b, a, transport, echo)
      const ask = async (from: typeof atA, to: Libp2pHost, text: string): Promise<string> => {
        const response = await from.connector.send(meshTarget(to.id), requestOf('/', bytesOf(text)), t)
        return textOf(await readAll(response.body))
      }
      const asked = Array.from({ length: 40 }, (_, index) =>
        index % 2 === 0 ? ask(atA, b, `${index}`) : ask(atB, a, `${index}`),
      )
      const answers = await Promise.all(asked)
      assert.deepEqual(
        answers,
        answers.map((_, index) => `${index % 2 === 0 ? a.id : b.id} said ${index}`),
      )
      await waitUntil(
        () => atA.sessions.view().length === 1 && atB.sessions.view().length === 1,
        `one session over ${transport}`,
      )
      const [left, right] = [atA.sessions.view()[0], atB.sessions.view()[0]]
      assert.notEqual(left?.side, right?.side)
      const { rttMs, path, isNew } = await pingPeer({ sessions: atA.sessions, clock }, b.id, t)
      assert.deepEqual([path.kind, isNew], ['direct', false])
      assert.ok(rttMs < 1_000)
      await Promise.all([atA, atB].map(({ sessions }) => sessions.leave(t)))
      assert.deepEqual([atA.sessions.view(), atB.sessions.view()], [[], []])
    }
  })
})
