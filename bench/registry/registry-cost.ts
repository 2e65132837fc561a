/** What the registry of one node costs: taking records and beats in, looking up, comparing, and memory. */
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { MemoryClock } from '../../src/adapters/memory/memory-clock.ts'
import { asMonotonicMs, asNodeId } from '../../src/core/ids.ts'
import { BUCKETS_PER_GROUP, differingSums, SUM_BYTES } from '../../src/core/registry/digest.ts'
import { differenceIn, havesIn } from '../../src/core/registry/reconcile.ts'
import type { Registry } from '../../src/core/registry/registry.ts'
import { encodeAnswer, encodeQuestion } from '../../src/core/registry/sync-messages.ts'
import { Liveness } from '../../src/membership/liveness.ts'
import { MeshDirectory } from '../../src/membership/mesh-directory.ts'
import { RecordingLogger } from '../../test/support/recording-logger.ts'
import { arrival, nth, TestDevice, testRegistry, testService } from '../../test/support/registry-peer.ts'

export interface RegistryCost {
  readonly records: number
  readonly recordBytes: number
  readonly beatBytes: number
  /** Microseconds of CPU for each: read, verified and merged; seen before; a beat. */
  readonly takeMicros: number
  readonly repeatMicros: number
  readonly beatMicros: number
  readonly lookupP99Ms: number
  /** Comparing two registries of which 100 records differ: time at both sides, and bytes both ways without the records. */
  readonly compareMs: number
  readonly compareBytes: number
  /** Growth of the process by the registry alone. */
  readonly megabytes: number
}

const DIFFERENT = 100
/** Nodes that serve one model: 25 different models over all nodes. */
const MODELS = 25
const LOOKUPS = 2_000
const COMPARISONS = 50
const FIRST_DEVICE = 100_000
const QUOTAS = { records: 1_000_000, perBlock: 1_000_000, withoutBlock: 1_000_000 }

export function registryCost(count: number, now: () => number): RegistryCost {
  const devices = Array.from({ length: count }, (_, index) => new TestDevice(FIRST_DEVICE + index))
  const records = devices.map((device, index) => device.record(1, describedAs(index)).bytes)
  const before = usedBytes()
  const registry = testRegistry({ quotas: QUOTAS })
  const take = timed(now, () => {
    for (const bytes of records) registry.receiveRecord(bytes, arrival())
  })
  const megabytes = (usedBytes() - before) / 1e6
  if (registry.table.size !== count) throw new Error(`${registry.table.size} of ${count} records were taken`)
  const repeat = timed(now, () => {
    for (const bytes of records) registry.receiveRecord(bytes, arrival())
  })
  const beats = devices.slice(0, 2_000).map((device) => device.beat(1).bytes)
  const beat = timed(now, () => {
    for (const bytes of beats) registry.receiveBeat(bytes, arrival())
  })
  return {
    records: count,
    recordBytes: average(records.map(({ length }) => length)),
    beatBytes: average(beats.map(({ length }) => length)),
    takeMicros: (take / count) * 1_000,
    repeatMicros: (repeat / count) * 1_000,
    beatMicros: (beat / beats.length) * 1_000,
    lookupP99Ms: lookupP99(registry),
    ...compare(registry, devices, records, now),
    megabytes,
  }
}

function describedAs(index: number) {
  const offers = testService().offers.map((offer) => ({ ...offer, id: `model-${index % MODELS}:8b` }))
  // A /24 of its own for every 200 nodes.
  const address = `/ip4/${20 + (index >> 16)}.${(index >> 8) & 255}.${index & 255}.7/tcp/11441`
  return { addresses: [address], services: [testService({ offers })] }
}

function lookupP99(registry: Registry): number {
  const liveness = new Liveness({ clock: new MemoryClock(), log: new RecordingLogger(), probe: async () => undefined })
  const directory = new MeshDirectory({ registry, liveness, trustOf: () => 'network' })
  // Every tenth lookup comes after a change somewhere in the network; the network has at most one a second.
  const times = Array.from({ length: LOOKUPS }, (_, index) => {
    if (index % 10 === 0) liveness.observed(asNodeId(`peer-${index}`), { kind: 'answered' })
    // By the wall clock: CPU time is counted in steps that are longer than a lookup.
    return timed(
      () => performance.now(),
      () => directory.candidatesFor(`model-${index % MODELS}:8b`),
    )
  })
  return nth(
    times.sort((a, b) => a - b),
    Math.floor(LOOKUPS * 0.99),
  )
}

/** What one side asks and the other answers, as `membership/sync.ts` does it, on average. */
function compare(
  registry: Registry,
  devices: readonly TestDevice[],
  records: readonly Uint8Array[],
  now: () => number,
) {
  const other = testRegistry({ quotas: QUOTAS })
  for (const [index, bytes] of records.entries()) {
    const changed = index < DIFFERENT ? nth(devices, index).record(2, describedAs(index)).bytes : bytes
    other.receiveRecord(changed, arrival())
  }
  let compareBytes = 0
  const allMs = timed(now, () => {
    for (let round = 0; round < COMPARISONS; round += 1) compareBytes = compareOnce(registry, other)
  })
  return { compareMs: allMs / COMPARISONS, compareBytes }
}

function compareOnce(registry: Registry, other: Registry): number {
  const [ours, theirs] = [registry.table.digest, other.table.digest]
  const groups = differingSums(ours.groups(), theirs.groups())
  const buckets = groups.flatMap((group) =>
    differingSums(ours.group(group), theirs.group(group)).map((each) => group * BUCKETS_PER_GROUP + each),
  )
  const haves = buckets.flatMap((bucket) => havesIn(registry.table, bucket))
  const answer = differenceIn(other.table, buckets, haves, { at: asMonotonicMs(0), mostBytes: 10_000_000 })
  if (answer.items.length !== DIFFERENT) throw new Error(`${answer.items.length} differences were found`)
  const question = encodeQuestion({ kind: 'pull', buckets, haves })
  const answered = encodeAnswer({ kind: 'pull', ...answer, items: [] })
  const sums = SUM_BYTES + ours.groups().length + groups.length * BUCKETS_PER_GROUP * SUM_BYTES
  return sums + question.length + answered.length
}

function timed(now: () => number, task: () => unknown): number {
  const before = now()
  task()
  return now() - before
}

function average(values: readonly number[]): number {
  return Math.round(values.reduce((sum, value) => sum + value, 0) / values.length)
}

/** Heap and buffers after everything that can go is gone. */
function usedBytes(): number {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  for (let round = 0; round < 3; round += 1) collect()
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}
