/** A process with several real nodes: libp2p over loopback, the real membership, and a clock that all processes of a machine share. */
import { randomBytes } from 'node:crypto'
import { type Libp2pHost, startHost } from '../../src/adapters/libp2p/host.ts'
import { OPEN_GATE } from '../../src/adapters/libp2p/host-options.ts'
import { Libp2pGossip } from '../../src/adapters/libp2p/libp2p-gossip.ts'
import { MemorySnapshotStore } from '../../src/adapters/memory/memory-snapshot-store.ts'
import { Ed25519Verifier, ed25519Keys } from '../../src/adapters/system/ed25519-signer.ts'
import { SystemClock } from '../../src/adapters/system/system-clock.ts'
import { SystemIds } from '../../src/adapters/system/system-ids.ts'
import { Listeners } from '../../src/core/listeners.ts'
import { registryTopic } from '../../src/core/registry/gossip-batch.ts'
import type { NodeDescription } from '../../src/core/registry/node-record.ts'
import { Membership } from '../../src/membership/membership.ts'
import type { Logger } from '../../src/ports/logger.ts'
import { TEST_NETWORK, testDescription } from '../../test/support/registry-peer.ts'
import type { GroupAnswer, GroupQuestion } from './group-messages.ts'

const SILENT: Logger = { debug: nothing, info: nothing, warn: nothing, error: nothing, child: () => SILENT }
const LOOK_MS = 5

interface Member {
  readonly host: Libp2pHost
  readonly membership: Membership
  readonly rename: (name: string) => void
}

/** Milliseconds of the clock that all processes of this machine share. */
function sharedMs(): number {
  return Number(process.hrtime.bigint() / 1_000n) / 1_000
}

async function startMember(bootstrap: readonly string[]): Promise<Member> {
  const seed = randomBytes(32)
  const clock = new SystemClock()
  const host = await startHost(
    { log: SILENT },
    {
      seed,
      mode: 'local',
      listen: { host: '127.0.0.1', port: 0 },
      publicAddresses: [],
      presharedKey: undefined,
      mdns: false,
      quic: false,
      relayServer: false,
      topics: [registryTopic(TEST_NETWORK)],
      maxConnections: 64,
      memoryLimitBytes: 8 * 1024 ** 3,
      gate: OPEN_GATE,
    },
  )
  const changes = new Listeners<[what: 'load' | 'description']>()
  let name = 'a node'
  const membership = new Membership(
    {
      clock,
      chance: new SystemIds({ clock }),
      log: SILENT,
      scheme: new Ed25519Verifier(),
      key: ed25519Keys.signerOf(seed),
      network: TEST_NETWORK,
      membersOnly: false,
      gossip: new Libp2pGossip({ node: host.node }),
      store: new MemorySnapshotStore(),
      objectionTo: () => undefined,
      trustOf: () => 'network',
      probe: () => Promise.resolve(),
      local: {
        describe: (): NodeDescription => testDescription({ name, addresses: host.addresses() }),
        onChange: (listener) => changes.add(listener),
      },
    },
    { bootstrap: () => Promise.resolve(bootstrap) },
  )
  await membership.start(new AbortController())
  const rename = (next: string): void => {
    name = next
    changes.tell('description')
  }
  return { host, membership, rename }
}

const members: Member[] = []

async function answer(question: GroupQuestion): Promise<GroupAnswer> {
  switch (question.do) {
    case 'start':
      for (let index = 0; index < question.count; index += 1) {
        const own = members.flatMap(({ host }) => host.addresses().slice(0, 1))
        members.push(await startMember([...question.bootstrap, ...own].slice(0, 3)))
      }
      return { addresses: members.flatMap(({ host }) => host.addresses().slice(0, 1)) }
    case 'counts':
      return { counts: members.map(({ membership }) => membership.view().nodes) }
    case 'await-name': {
      const { author, name } = question
      const times = Promise.all(members.map((member) => untilNamed(member, question)))
      const at = sharedMs()
      if (author !== undefined) members[author]?.rename(name)
      return { at, times: await times }
    }
  }
}

/** When a member saw the name; undefined where it did not in time. */
async function untilNamed(
  { membership }: Member,
  { name, withinMs }: { readonly name: string; readonly withinMs: number },
): Promise<number | null> {
  const giveUpAt = sharedMs() + withinMs
  for (;;) {
    if (membership.registry.table.all().some(({ record }) => record.name === name)) return sharedMs()
    if (sharedMs() > giveUpAt) return null
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS))
  }
}

function nothing(): void {}

process.on('message', (question: GroupQuestion) => {
  void answer(question).then(
    (answered) => process.send?.(answered),
    (error: unknown) => process.send?.({ error: String(error) }),
  )
})
process.once('SIGTERM', () => process.exit(0))
