/** Streams of 100 chunks on 50 connections, paced and in a burst: CPU per stream, and every frame checked. */
import { fileURLToPath } from 'node:url'
import type { StreamJob, StreamResult } from '../load/stream-job.ts'
import { cpuMicros } from '../measure/proc.ts'
import { interleave, medianRow } from '../measure/statistics.ts'
import { startStreamMock } from '../mock-upstream/mocks.ts'
import type { StreamModel } from '../mock-upstream/openai-shapes.ts'
import { startHeddleProxy } from '../peers/heddle.ts'
import { startNginxProxy } from '../peers/nginx.ts'
import { startPortkey } from '../peers/portkey.ts'
import type { RunningProcess } from '../peers/processes.ts'
import type { Target, TargetName } from '../peers/target.ts'
import type { BenchContext, BenchOptions } from './context.ts'

const CONNECTIONS = 50
const RAMP_MS = 100
export const STREAM_LOADS = ['bench-paced', 'bench-burst'] as const satisfies readonly StreamModel[]

export interface StreamRow {
  readonly streamsPerSecond: number
  readonly cpuMicrosPerStream: number
  readonly firstFrameP50Ms: number
  readonly firstFrameP99Ms: number
  readonly streamP50Ms: number
  readonly streams: number
  readonly intactStreams: number
  readonly framesIntact: number
  readonly framesLost: number
  readonly framesWrong: number
  readonly errors: number
}

const COUNTED = ['streams', 'intactStreams', 'framesIntact', 'framesLost', 'framesWrong', 'errors'] as const

export interface StreamReport {
  readonly summary: ReadonlyMap<string, StreamRow>
  readonly rounds: ReadonlyMap<string, readonly StreamRow[]>
}

/** Starts the streaming load client. */
export function startStreamClient({ processes }: Pick<BenchContext, 'processes'>): RunningProcess {
  const file = fileURLToPath(new URL('../load/stream-client.ts', import.meta.url))
  return processes.spawn('stream-client', process.execPath, [file], { messages: true })
}

/** Medians of what was timed, sums of what was counted. */
export function summarize(rows: readonly StreamRow[]): StreamRow {
  const sums = Object.fromEntries(COUNTED.map((key) => [key, rows.reduce((sum, row) => sum + row[key], 0)]))
  return { ...medianRow<keyof StreamRow>(rows), ...sums }
}

async function startTargets(
  context: BenchContext,
  { targets, signal }: BenchOptions,
): Promise<{ targets: Target[]; mock: RunningProcess }> {
  const mock = await startStreamMock(context, 1, { signal })
  const [port = 0] = mock.ports
  const start: Record<TargetName, () => Promise<Target>> = {
    direct: async () => ({ name: 'direct', ports: mock.ports, process: mock.process, headers: {} }),
    nginx: () => startNginxProxy(context, port, { buffering: false, signal }),
    portkey: () => startPortkey(context, port, { signal }),
    heddle: () => startHeddleProxy(context, mock.ports, { models: STREAM_LOADS, signal }),
  }
  const started: Target[] = []
  for (const name of targets) started.push(await start[name]())
  return { targets: started, mock: mock.process }
}

async function measureOnce(
  context: BenchContext,
  client: RunningProcess,
  target: Target,
  model: StreamModel,
  { seconds, signal }: BenchOptions,
): Promise<StreamRow> {
  const job: StreamJob = {
    ports: target.ports,
    headers: target.headers,
    model,
    connections: CONNECTIONS,
    rampMs: RAMP_MS,
    durationMs: seconds * 1000,
  }
  const before = cpuMicros(target.process.pid, context.ticksPerSecond)
  const result = await client.ask<StreamResult>({ ...job }, { signal })
  const used = cpuMicros(target.process.pid, context.ticksPerSecond) - before
  if (result.errorSamples.length > 0)
    context.say(`${target.name}: ${result.errors} errors, e.g. ${result.errorSamples.join('; ')}`)
  return {
    streamsPerSecond: result.streams / (result.elapsedMs / 1000),
    cpuMicrosPerStream: used / Math.max(1, result.streams),
    firstFrameP50Ms: result.firstFrameP50Ms,
    firstFrameP99Ms: result.firstFrameP99Ms,
    streamP50Ms: result.streamP50Ms,
    streams: result.streams,
    intactStreams: result.intactStreams,
    framesIntact: result.framesIntact,
    framesLost: result.framesLost,
    framesWrong: result.framesWrong,
    errors: result.errors,
  }
}

/** Rows are named `<load> <target>`, e.g. `bench-paced nginx`. */
export async function runStreamLoad(context: BenchContext, options: BenchOptions): Promise<StreamReport> {
  const { targets, mock } = await startTargets(context, options)
  const client = startStreamClient(context)
  try {
    const cases = new Map<string, { target: Target; model: StreamModel }>()
    for (const model of STREAM_LOADS)
      for (const target of targets) cases.set(`${model} ${target.name}`, { target, model })
    const rounds = await interleave(
      [...cases.keys()],
      (name, round) => {
        context.say(`streams, ${round === 0 ? 'warm-up' : `round ${round} of ${options.rounds}`}: ${name}`)
        const { target, model } = cases.get(name) as { target: Target; model: StreamModel }
        return measureOnce(context, client, target, model, options)
      },
      options,
    )
    return { summary: new Map([...rounds].map(([name, rows]) => [name, summarize(rows)])), rounds }
  } finally {
    await client.stop()
    for (const target of targets) await target.process.stop()
    await mock.stop()
  }
}
