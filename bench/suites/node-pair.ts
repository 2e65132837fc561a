/** Two nodes, gateway and provider: the same chat requests once over the mesh and once over plain HTTP between them. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { StreamJob, StreamResult } from '../load/stream-job.ts'
import { runWrk } from '../load/wrk.ts'
import { cpuMicros } from '../measure/proc.ts'
import { interleave, medianRow } from '../measure/statistics.ts'
import { startJsonMock, startStreamMock } from '../mock-upstream/mocks.ts'
import { chatRequest, JSON_MODEL, type StreamModel } from '../mock-upstream/openai-shapes.ts'
import { askAdmin, type HeddleNode, startHeddle, untilOffered } from '../peers/heddle.ts'
import { ratioText, tableOf } from '../report/table.ts'
import { type Verdict, verdictOf } from '../report/verdict.ts'
import type { BenchContext, BenchOptions } from './context.ts'
import { startStreamClient } from './stream-load.ts'

const MANY = 50
const RAMP_MS = 100
/** V8 compiles what is hot for about this long. */
const WARM_UP_SECONDS = 6
const STREAM_MODEL: StreamModel = 'bench-paced'
const MODELS = [JSON_MODEL, STREAM_MODEL]
const MESH_ENV = { HEDDLE_MODE: 'node', HEDDLE_MESH_LISTEN: '127.0.0.1:0', HEDDLE_MESH_LAN: 'false' }

interface PairRow {
  readonly perSecond: number
  readonly p50Ms: number
  readonly p99Ms: number
  /** Of gateway and provider together, for each request or stream. */
  readonly cpuMicros: number
  readonly errors: number
}

export interface PairReport {
  readonly summary: Readonly<Record<string, Record<keyof PairRow, number>>>
  readonly rounds: Readonly<Record<string, readonly PairRow[]>>
}

interface Pair {
  readonly provider: HeddleNode
  readonly gateways: Readonly<Record<'mesh' | 'http', HeddleNode>>
}

async function startPair(context: BenchContext, signal: AbortSignal): Promise<Pair> {
  const [json, stream] = [await startJsonMock(context, { signal }), await startStreamMock(context, 1, { signal })]
  const runtimes = [json, stream].map(({ ports }) => `openai:http://127.0.0.1:${ports[0]}`).join(',')
  const provider = await startHeddle(context, {
    name: 'provider',
    runtimes,
    models: MODELS,
    env: { ...MESH_ENV, HEDDLE_NAME: 'provider' },
    signal,
  })
  const status = (await askAdmin(provider, 'GET', '/status', undefined, signal)) as { mesh: { addresses: string[] } }
  const address = status.mesh.addresses.find((each) => /\/tcp\/\d+\/p2p\//.test(each))
  if (address === undefined) throw new Error('the provider has no mesh address')
  const env = { ...MESH_ENV, HEDDLE_NAME: 'gateway', HEDDLE_BOOTSTRAP: address }
  const none = { runtimes: 'none', readyPath: '/livez', signal } as const
  const mesh = await startHeddle(context, { name: 'gateway-mesh', models: MODELS, env, ...none })
  const alone = { HEDDLE_MODE: 'standalone' }
  const http = await startHeddle(context, { name: 'gateway-http', models: [], env: alone, ...none })
  const keyFile = join(provider.home, 'data', 'keys', 'default.key')
  const spec = `openai:http://127.0.0.1:${provider.port}`
  await askAdmin(http, 'POST', '/runtimes', { spec, keyFile }, signal)
  await untilOffered(http, MODELS, signal)
  return { provider, gateways: { mesh, http } }
}

const authorized = ({ key }: HeddleNode): Record<string, string> => ({ authorization: `Bearer ${key}` })

/** Measures both ways in turn. */
export async function runNodePair(
  context: BenchContext,
  { rounds, seconds, signal }: BenchOptions,
): Promise<PairReport> {
  const { provider, gateways } = await startPair(context, signal)
  const client = startStreamClient(context)
  const bodyFile = join(context.processes.folder, 'pair-chat.json')
  writeFileSync(bodyFile, chatRequest(JSON_MODEL, false))
  const loads = {
    json: async (gateway: HeddleNode, forSeconds: number) => {
      const url = `http://127.0.0.1:${gateway.port}/v1/chat/completions`
      const job = { url, bodyFile, headers: authorized(gateway), connections: MANY, seconds: forSeconds }
      const { requests, requestsPerSecond, p50Ms, p99Ms, errors } = await runWrk(job, { signal })
      return { count: requests, perSecond: requestsPerSecond, p50Ms, p99Ms, errors }
    },
    stream: async (gateway: HeddleNode, forSeconds: number) => {
      const job: StreamJob = {
        ports: [gateway.port],
        headers: authorized(gateway),
        model: STREAM_MODEL,
        connections: MANY,
        rampMs: RAMP_MS,
        durationMs: forSeconds * 1_000,
      }
      const result = await client.ask<StreamResult>({ ...job }, { signal })
      const { streams, intactStreams, elapsedMs, firstFrameP50Ms: p50Ms, firstFrameP99Ms: p99Ms } = result
      return { count: streams, perSecond: (streams * 1_000) / elapsedMs, p50Ms, p99Ms, errors: streams - intactStreams }
    },
  }
  const names = Object.keys(loads).flatMap((load) => Object.keys(gateways).map((way) => `${load} ${way}`))
  const rows = await interleave(
    names,
    async (name, round): Promise<PairRow> => {
      context.say(`two nodes, round ${round} of ${rounds}: ${name}`)
      const [load, way] = name.split(' ') as [keyof typeof loads, keyof typeof gateways]
      const gateway = gateways[way]
      const cpu = (): number =>
        [gateway, provider].reduce((sum, node) => sum + cpuMicros(node.process.pid, context.ticksPerSecond), 0)
      const before = cpu()
      const { count, ...row } = await loads[load](gateway, round === 0 ? Math.max(WARM_UP_SECONDS, seconds) : seconds)
      return { ...row, cpuMicros: (cpu() - before) / Math.max(1, count) }
    },
    { rounds, signal },
  )
  const summary = [...rows].map(([name, each]) => {
    const errors = each.reduce((sum, row) => sum + row.errors, 0)
    return [name, { ...medianRow<keyof PairRow>(each), errors }] as const
  })
  return { summary: Object.fromEntries(summary), rounds: Object.fromEntries(rows) }
}

export function pairTable({ summary }: PairReport): string {
  return tableOf(
    [
      'gateway → provider',
      'a second',
      '× http',
      'first byte or answer p50 / p99 ms',
      'CPU µs of both',
      '× http',
      'errors',
    ],
    Object.entries(summary).map(([name, row]) => {
      const base = summary[name.replace('mesh', 'http')]
      return [
        name,
        row.perSecond,
        ratioText(row.perSecond, base?.perSecond),
        `${row.p50Ms.toFixed(1)} / ${row.p99Ms.toFixed(1)}`,
        row.cpuMicros,
        ratioText(row.cpuMicros, base?.cpuMicros),
        String(row.errors),
      ]
    }),
  )
}

export function pairVerdicts({ summary }: PairReport): Verdict[] {
  const ratio = (load: string, key: 'perSecond' | 'cpuMicros'): number | undefined => {
    const [mesh, http] = [summary[`${load} mesh`], summary[`${load} http`]]
    return mesh === undefined || http === undefined ? undefined : mesh[key] / http[key]
  }
  const unit = ' × the same two hops over plain HTTP'
  return [
    verdictOf({ what: 'JSON c=50 through the mesh: req/s', measured: ratio('json', 'perSecond'), atLeast: 1, unit }),
    verdictOf({ what: 'JSON c=50 through the mesh: CPU', measured: ratio('json', 'cpuMicros'), atMost: 0.8, unit }),
    verdictOf({
      what: 'SSE of 100 chunks through the mesh: CPU',
      measured: ratio('stream', 'cpuMicros'),
      atMost: 0.9,
      unit,
    }),
  ]
}
