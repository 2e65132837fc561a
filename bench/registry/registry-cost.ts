/** What the registry of one node costs: reading, verifying and merging records, looking up, comparing, and memory. */
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { MemoryClock } from '../../src/adapters/memory/memory-clock.ts'
import { asMonotonicMs } from '../../src/core/ids.ts'
import { BUCKETS_PER_GROUP, type Digest, differingSums, GROUPS, SUM_BYTES } from '../../src/core/registry/digest.ts'
import type { SignedRecord } from '../../src/core/registry/node-record.ts'
import { differenceIn, havesIn } from '../../src/core/registry/reconcile.ts'
import { parseNodeRecord, type UnverifiedRecord, verifyRecord } from '../../src/core/registry/record-codec.ts'
import type { Registry } from '../../src/core/registry/registry.ts'
import { encodeAnswer, encodeQuestion } from '../../src/core/registry/sync-messages.ts'
import { Liveness } from '../../src/membership/liveness.ts'
import { MeshDirectory } from '../../src/membership/mesh-directory.ts'
import { RecordingLogger } from '../../test/support/recording-logger.ts'
import { arrival, nth, scheme, TestDevice, testRegistry } from '../../test/support/registry-peer.ts'
import {
  describedAs,
  FIRST_DEVICE,
  LenientScheme,
  MODELS,
  modelOf,
  NO_QUOTAS,
  unsignedRecord,
} from './sample-records.ts'

export interface RegistryCost {
  readonly records: number
  readonly recordBytes: number
  readonly beatBytes: number
  /** Microseconds of CPU for each record: decoded and checked for its form; its signature under a key seen before; taken in without that. */
  readonly readMicros: number
  readonly verifyMicros: number
  readonly takeMicros: number
  /** All of it for a record of a listed node that was signed again; for one seen before; for a beat. */
  readonly refreshMicros: number
  readonly repeatMicros: number
  readonly beatMicros: number
  readonly lookupP50Ms: number
  readonly lookupP99Ms: number
  /** Comparing two registries of which 10 and 100 records differ: time at both sides, and bytes both ways without the records. */
  readonly compare: readonly { readonly differ: number; readonly ms: number; readonly bytes: number }[]
  /** Growth of heap and buffers by the registry alone. */
  readonly megabytes: number
}

/** Nodes whose records are signed; the signatures of the others are not looked at. */
const SIGNED = 1_000
const CHUNK = 500
const DIFFERENT = [10, 100] as const
const LOOKUPS = 2_000
const COMPARISONS = 20

export function registryCost(count: number, now: () => number): RegistryCost {
  const lenient = new LenientScheme()
  const registry = testRegistry({ quotas: NO_QUOTAS, scheme: lenient })
  const devices = Array.from({ length: Math.min(SIGNED, count) }, (_, index) => new TestDevice(FIRST_DEVICE + index))
  const signed = devices.map((device, index) => device.record(1, describedAs(index)).bytes)
  const before = usedBytes()
  const fillMs = fill(registry, signed, count, now)
  const megabytes = (usedBytes() - before) / 1e6
  if (registry.table.size !== count) throw new Error(`${registry.table.size} of ${count} records were taken`)
  lenient.isStrict = true
  const each = perItem(now)
  const parsed: UnverifiedRecord[] = []
  const readMicros = each(signed, (bytes) => {
    const outcome = parseNodeRecord(scheme, bytes)
    if (outcome.kind === 'ok') parsed.push(outcome.value)
  })
  // Once for the keys, which are kept after their first use.
  for (const record of parsed) verifyRecord(scheme, record)
  const verifyMicros = each(parsed, (record) => verifyRecord(scheme, record))
  const repeatMicros = each(signed, (bytes) => registry.receiveRecord(bytes, arrival()))
  const refreshed = devices.map((device, index) => device.record(2, describedAs(index)).bytes)
  const refreshMicros = each(refreshed, (bytes) => registry.receiveRecord(bytes, arrival()))
  const beats = devices.map((device) => device.beat(1, { seq: 2 }).bytes)
  const beatMicros = each(beats, (bytes) => registry.receiveBeat(bytes, arrival()))
  return {
    records: count,
    recordBytes: average(signed.map(({ length }) => length)),
    beatBytes: average(beats.map(({ length }) => length)),
    readMicros,
    verifyMicros,
    takeMicros: (fillMs / count) * 1_000,
    refreshMicros,
    repeatMicros,
    beatMicros,
    ...lookups(registry, devices),
    compare: DIFFERENT.map((differ, index) => compare(registry, devices.slice(0, differ), 10_000 + index, now)),
    megabytes,
  }
}

/** The time in which the registry took `count` records; making them is not counted. */
function fill(registry: Registry, signed: readonly Uint8Array[], count: number, now: () => number): number {
  let ms = 0
  for (let from = 0; from < count; from += CHUNK) {
    const numbers = Array.from({ length: Math.min(CHUNK, count - from) }, (_, index) => from + index)
    const chunk = numbers.map((index) => signed[index] ?? unsignedRecord(index))
    ms += timed(now, () => {
      for (const bytes of chunk) registry.receiveRecord(bytes, arrival())
    })
  }
  return ms
}

function lookups(registry: Registry, devices: readonly TestDevice[]): { lookupP50Ms: number; lookupP99Ms: number } {
  const liveness = new Liveness({ clock: new MemoryClock(), log: new RecordingLogger(), probe: async () => undefined })
  const directory = new MeshDirectory({ registry, liveness, trustOf: () => 'any' })
  for (let index = 0; index < MODELS; index += 1) directory.candidatesFor(modelOf(index))
  // Every tenth lookup comes after some node has another model, and finds another node unreachable or reachable again.
  const times = Array.from({ length: LOOKUPS }, (_, index) => {
    if (index % 10 === 0) {
      const number = (index / 10) % devices.length
      const device = nth(devices, number)
      registry.receiveRecord(device.record(3 + index, describedAs(number, modelOf(number + index))).bytes, arrival())
      liveness.observed(device.peer, { kind: 'answered' })
    }
    // By the wall clock: CPU time is counted in steps that are longer than a lookup.
    return timed(
      () => performance.now(),
      () => directory.candidatesFor(modelOf(index)),
    )
  }).sort((a, b) => a - b)
  liveness.stop()
  return { lookupP50Ms: nth(times, LOOKUPS / 2), lookupP99Ms: nth(times, Math.floor(LOOKUPS * 0.99)) }
}

/** The sums of a digest as they were. */
interface Sums {
  readonly groups: Uint8Array
  readonly buckets: readonly Uint8Array[]
}

function sumsOf(digest: Digest): Sums {
  return {
    groups: digest.groups(),
    buckets: Array.from({ length: GROUPS }, (_, group) => digest.group(group)),
  }
}

/** Compares the registry with itself as it was before `changed` signed again, on average over some rounds. */
function compare(registry: Registry, changed: readonly TestDevice[], seq: number, now: () => number) {
  const earlier = sumsOf(registry.table.digest)
  const haves = changed.map(({ peer }) => registry.table.get(peer)?.signed)
  for (const [index, device] of changed.entries())
    registry.receiveRecord(device.record(seq, describedAs(index)).bytes, arrival())
  let bytes = 0
  const ms = timed(now, () => {
    for (let round = 0; round < COMPARISONS; round += 1) bytes = compareOnce(registry, earlier, haves)
  })
  return { differ: changed.length, ms: ms / COMPARISONS, bytes }
}

/** What one side asks and the other answers, as `membership/sync.ts` does it. */
function compareOnce(registry: Registry, earlier: Sums, older: readonly (SignedRecord | undefined)[]): number {
  const { table } = registry
  const groups = differingSums(earlier.groups, table.digest.groups())
  const buckets = groups.flatMap((group) =>
    differingSums(nth(earlier.buckets, group), table.digest.group(group)).map(
      (each) => group * BUCKETS_PER_GROUP + each,
    ),
  )
  const before = new Map(older.map((signed) => [signed?.record.peer, signed]))
  const haves = buckets
    .flatMap((bucket) => havesIn(table, bucket))
    .map((have) => {
      const then = before.get(table.peerOf(have.publicKey))
      return then === undefined ? have : { ...have, seq: then.record.seq, idPrefix: then.id.slice(0, 16) }
    })
  const answer = differenceIn(table, buckets, haves, { at: asMonotonicMs(0), mostBytes: 10_000_000 })
  if (answer.items.length !== older.length) throw new Error(`${answer.items.length} differences were found`)
  const question = encodeQuestion({ kind: 'pull', buckets, haves })
  const answered = encodeAnswer({ kind: 'pull', ...answer, items: [] })
  const sums = SUM_BYTES + earlier.groups.length + groups.length * BUCKETS_PER_GROUP * SUM_BYTES
  return sums + question.length + answered.length
}

/** Microseconds for each of the items. */
function perItem(now: () => number) {
  return <T>(items: readonly T[], task: (item: T) => unknown): number => {
    const ms = timed(now, () => {
      for (const item of items) task(item)
    })
    return (ms / items.length) * 1_000
  }
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
