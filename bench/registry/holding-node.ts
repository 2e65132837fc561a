/** A process that holds the records of a file in a real membership, and says on stdout how much memory it has: started by held-memory.ts. */
import { readFileSync } from 'node:fs'
import { MemoryClock } from '../../src/adapters/memory/memory-clock.ts'
import { MemoryGossipNetwork } from '../../src/adapters/memory/memory-gossip.ts'
import { parseSnapshot } from '../../src/membership/snapshot.ts'
import { SimulatedNode } from '../../test/simulation/simulated-node.ts'
import { arrival, scheme, TestDevice } from '../../test/support/registry-peer.ts'
import { seededChance } from '../../test/support/seeded-chance.ts'
import { MODELS, modelOf, NO_QUOTAS } from './sample-records.ts'

const SECOND = 1_000
const [file = ''] = process.argv.slice(2)
const clock = new MemoryClock()
const chance = seededChance(31)
const network = new MemoryGossipNetwork({ clock, chance })
const deps = { clock, network, chance, scheme, bootstrap: [], quotas: NO_QUOTAS }
const node = new SimulatedNode(deps, new TestDevice(1), { hasDisk: false })
await node.start()
const { registry, directory } = node.membership
for (const record of parseSnapshot(readFileSync(file))?.records ?? []) registry.receiveRecord(record, arrival())
for (let index = 0; index < MODELS; index += 1) directory.candidatesFor(modelOf(index))
await clock.advance(10 * SECOND)
// What reading the file left behind would be collected sooner or later; a second is enough for V8 to look.
await new Promise((resolve) => setTimeout(resolve, SECOND))
process.stdout.write(JSON.stringify({ records: registry.table.live - 1, rssBytes: process.memoryUsage.rss() }))
process.exit(0)
