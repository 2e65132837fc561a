/** Thousands of paced streams at the same time: lost frames, and memory per stream. */
import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import type { StreamJob, StreamResult } from '../load/stream-job.ts'
import { cpuMicros, residentBytes } from '../measure/proc.ts'
import { startStreamMock } from '../mock-upstream/mocks.ts'
import { startHeddleProxy } from '../peers/heddle.ts'
import type { RunningProcess } from '../peers/processes.ts'
import type { Target } from '../peers/target.ts'
import { tableOf } from '../report/table.ts'
import { type Verdict, verdictOf } from '../report/verdict.ts'
import type { BenchContext, BenchOptions, Suite } from './context.ts'
import { startStreamClient } from './stream-load.ts'

/** Upstreams that share the streams: a gateway keeps a bounded number of sockets to each. */
const UPSTREAMS = 8
const WARM_UP_CONNECTIONS = 100
const RAMP_MS = 3_000
const SAMPLE_MS = 200
const SETTLE_MS = 2_000
const DESCRIPTORS_BESIDE_STREAMS = 500
const RESIDENT_KIB_PER_STREAM = 100

export interface ManyStreamsRow {
  readonly streams: number
  readonly mostAtOnce: number
  readonly intactStreams: number
  readonly framesIntact: number
  readonly framesLost: number
  readonly framesWrong: number
  readonly errors: number
  readonly elapsedMs: number
  readonly firstFrameP50Ms: number
  readonly firstFrameP99Ms: number
  readonly streamP50Ms: number
  readonly cpuMicrosPerStream: number
  readonly residentBytesBefore: number
  readonly residentBytesPeak: number
  readonly residentBytesPerStream: number
}

/** Node raises its soft limit to the hard one by itself, so only that one can be too low; a proxy needs two sockets a stream. */
function checkDescriptors(streams: number): void {
  const limits = readFileSync('/proc/self/limits', 'utf8')
  const hard = /^Max open files\s+\S+\s+(\S+)/m.exec(limits)?.[1] ?? '0'
  const needed = streams * 2 + DESCRIPTORS_BESIDE_STREAMS
  if (hard !== 'unlimited' && Number(hard) < needed) {
    throw new Error(
      `${streams} streams need ${needed} open files and this shell allows ${hard}: raise it with \`ulimit -Hn ${needed}\` or ask for fewer with --streams`,
    )
  }
}

const residentOf = (target: Target): number => {
  const { own, children } = residentBytes(target.process.pid)
  return own + children
}

/** The most memory that `target` held while `work` went on. */
async function peakWhile(target: Target, work: Promise<unknown>): Promise<number> {
  let peak = residentOf(target)
  const timer = setInterval(() => {
    if (!target.process.hasEnded) peak = Math.max(peak, residentOf(target))
  }, SAMPLE_MS)
  try {
    await work
    return peak
  } finally {
    clearInterval(timer)
  }
}

async function measure(
  context: BenchContext,
  client: RunningProcess,
  target: Target,
  { streams, signal }: BenchOptions,
): Promise<ManyStreamsRow> {
  const job: StreamJob = {
    ports: target.ports,
    headers: target.headers,
    model: 'bench-slow',
    connections: streams,
    rampMs: RAMP_MS,
    durationMs: 0,
  }
  context.say(`${streams} streams: warming ${target.name} up`)
  await client.ask<StreamResult>(
    { ...job, model: 'bench-paced', connections: WARM_UP_CONNECTIONS, durationMs: SETTLE_MS },
    { signal },
  )
  await sleep(SETTLE_MS, undefined, { signal })
  const before = residentOf(target)
  const cpuBefore = cpuMicros(target.process.pid, context.ticksPerSecond)
  context.say(`${streams} streams: ${target.name}`)
  const work = client.ask<StreamResult>({ ...job }, { signal })
  const peak = await peakWhile(target, work)
  const result = await work
  const used = cpuMicros(target.process.pid, context.ticksPerSecond) - cpuBefore
  if (result.errorSamples.length > 0)
    context.say(`${target.name}: ${result.errors} errors, e.g. ${result.errorSamples.join('; ')}`)
  const { errorSamples: _, ...counts } = result
  return {
    ...counts,
    cpuMicrosPerStream: used / Math.max(1, result.streams),
    residentBytesBefore: before,
    residentBytesPeak: peak,
    residentBytesPerStream: (peak - before) / Math.max(1, result.mostAtOnce),
  }
}

export async function runManyStreams(
  context: BenchContext,
  options: BenchOptions,
): Promise<Map<string, ManyStreamsRow>> {
  checkDescriptors(options.streams)
  const { signal } = options
  const mock = await startStreamMock(context, UPSTREAMS, { signal })
  const client = startStreamClient(context)
  const rows = new Map<string, ManyStreamsRow>()
  try {
    const direct: Target = { name: 'direct', ports: mock.ports, process: mock.process, headers: {} }
    if (options.targets.includes('direct')) rows.set('direct', await measure(context, client, direct, options))
    if (options.targets.includes('heddle')) {
      const heddle = await startHeddleProxy(context, mock.ports, { models: ['bench-slow', 'bench-paced'], signal })
      rows.set('heddle', await measure(context, client, heddle, options))
      await heddle.process.stop()
    }
    return rows
  } finally {
    await client.stop()
    await mock.process.stop()
  }
}

export function manyStreamsTable(rows: ReadonlyMap<string, ManyStreamsRow>): string {
  return tableOf(
    [
      'target',
      'at once',
      'intact streams',
      'frames ok',
      'lost',
      'wrong',
      'errors',
      'first frame p50/p99 ms',
      'stream p50 s',
      'CPU µs/stream',
      'RSS before MB',
      'RSS peak MB',
      'RSS KiB/stream',
    ],
    [...rows].map(([name, row]) => [
      name,
      String(row.mostAtOnce),
      String(row.intactStreams),
      String(row.framesIntact),
      String(row.framesLost),
      String(row.framesWrong),
      String(row.errors),
      `${row.firstFrameP50Ms.toFixed(1)} / ${row.firstFrameP99Ms.toFixed(1)}`,
      row.streamP50Ms / 1000,
      row.cpuMicrosPerStream,
      row.residentBytesBefore / 1e6,
      row.residentBytesPeak / 1e6,
      row.residentBytesPerStream / 1024,
    ]),
  )
}

export function manyStreamsVerdicts(rows: ReadonlyMap<string, ManyStreamsRow>, streams: number): Verdict[] {
  const row = rows.get('heddle')
  const damaged = row && streams - row.intactStreams + row.framesLost + row.framesWrong + row.errors
  return [
    verdictOf({
      what: `${streams} concurrent paced streams: at the same moment`,
      measured: row?.mostAtOnce,
      atLeast: streams,
      unit: '',
    }),
    verdictOf({
      what: `${streams} concurrent paced streams: lost or damaged frames and streams`,
      measured: damaged,
      atMost: 0,
      unit: '',
    }),
    verdictOf({
      what: `${streams} concurrent paced streams: RSS per stream`,
      measured: row && row.residentBytesPerStream / 1024,
      atMost: RESIDENT_KIB_PER_STREAM,
      unit: ' KiB',
    }),
  ]
}

/** `npm run bench -- streams` */
export const streamsSuite: Suite = async (context, options) => {
  const rows = await runManyStreams(context, options)
  const verdicts = manyStreamsVerdicts(rows, options.streams)
  context.print(manyStreamsTable(rows))
  return {
    name: 'streams',
    options: { streams: options.streams, upstreams: UPSTREAMS },
    summary: Object.fromEntries(rows),
    rounds: {},
    verdicts,
  }
}
