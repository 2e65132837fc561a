/** `npm run bench -- mesh`: what a hop between two nodes costs, beside plain HTTP and beside a fresh stream for each request. */
import { fileURLToPath } from 'node:url'
import { NODE_ENVIRONMENT, NODE_FLAGS } from '../../scripts/setup.js'
import { cpuMicros } from '../measure/proc.ts'
import { interleave, medianRow } from '../measure/statistics.ts'
import {
  HOP_VARIANTS,
  type HopAddresses,
  type HopJob,
  type HopLoad,
  type HopResult,
  type HopVariant,
} from '../mesh/hop-job.ts'
import type { RunningProcess } from '../peers/processes.ts'
import { ratioText, tableOf } from '../report/table.ts'
import { type Verdict, verdictOf } from '../report/verdict.ts'
import type { BenchContext, BenchOptions, Suite } from './context.ts'
import { pairTable, pairVerdicts, runNodePair } from './node-pair.ts'

const LOADS: readonly HopLoad[] = ['solo', 'many', 'stream', 'body']
const MOST_BODY_SECONDS = 2
/** V8 compiles what is hot for about this long. */
const WARM_UP_MS = 2_000

type HopRow = HopResult & {
  readonly perSecond: number
  /** Of both processes, for each exchange or stream. */
  readonly cpuMicros: number
}

type Summary = ReadonlyMap<string, Record<keyof HopRow, number>>

function keyOf(variant: HopVariant, load: HopLoad): string {
  return `${load} ${variant}`
}

/** A fresh stream for each request has no streams of chunks and no large bodies to measure: only its opening differs. */
function isMeasured(variant: HopVariant, load: HopLoad): boolean {
  return load === 'solo' || load === 'many' || !variant.startsWith('fresh')
}

interface Ends {
  readonly server: RunningProcess
  readonly client: RunningProcess
}

/** Each way has two processes of its own: what V8 learns of one would slow the others down. */
async function startEnds({ processes }: BenchContext, variant: HopVariant, signal: AbortSignal): Promise<Ends> {
  const start = (name: string): RunningProcess => {
    const file = fileURLToPath(new URL(`../mesh/${name}.ts`, import.meta.url))
    // As a node itself is started.
    return processes.spawn(`${name} ${variant}`, process.execPath, [...NODE_FLAGS, file], {
      messages: true,
      env: NODE_ENVIRONMENT,
    })
  }
  const ends = { server: start('hop-server'), client: start('hop-client') }
  const addresses = await ends.server.ask<HopAddresses>('addresses', { signal })
  await ends.client.ask({ ...addresses }, { signal })
  return ends
}

async function measure(
  context: BenchContext,
  { server, client }: Ends,
  job: HopJob,
  signal: AbortSignal,
): Promise<HopRow> {
  const cpu = (): number => [server, client].reduce((sum, { pid }) => sum + cpuMicros(pid, context.ticksPerSecond), 0)
  const before = cpu()
  const result = await client.ask<HopResult>({ ...job }, { signal })
  return {
    ...result,
    perSecond: (result.exchanges * 1_000) / result.elapsedMs,
    cpuMicros: (cpu() - before) / result.exchanges,
  }
}

function exchangeTable(summary: Summary): string {
  const base = summary.get(keyOf('undici', 'solo'))
  const manyBase = summary.get(keyOf('undici', 'many'))
  return tableOf(
    [
      '1 KB each way',
      'c=1 p50 ms',
      'p99 ms',
      '× undici',
      'CPU µs',
      'c=32 req/s',
      '× undici',
      'p99 ms',
      'CPU µs',
      '× undici',
    ],
    HOP_VARIANTS.flatMap((variant) => {
      const [solo, many] = [summary.get(keyOf(variant, 'solo')), summary.get(keyOf(variant, 'many'))]
      if (solo === undefined || many === undefined) return []
      return [
        [
          variant,
          solo.p50Ms.toFixed(3),
          solo.p99Ms,
          ratioText(solo.p50Ms, base?.p50Ms),
          solo.cpuMicros,
          many.perSecond.toFixed(0),
          ratioText(many.perSecond, manyBase?.perSecond),
          many.p99Ms,
          many.cpuMicros,
          ratioText(many.cpuMicros, manyBase?.cpuMicros),
        ],
      ]
    }),
  )
}

function bodyTable(summary: Summary): string {
  const base = summary.get(keyOf('undici', 'stream'))
  return tableOf(
    [
      'way',
      '32 × 100 chunks: late p50 / p99 ms',
      'CPU µs a stream',
      '× undici',
      '64 MiB up MB/s',
      'down MB/s',
      '1 KB meanwhile p50 / p99 ms',
    ],
    HOP_VARIANTS.flatMap((variant) => {
      const [stream, body] = [summary.get(keyOf(variant, 'stream')), summary.get(keyOf(variant, 'body'))]
      if (stream === undefined || body === undefined) return []
      return [
        [
          variant,
          `${stream.p50Ms.toFixed(2)} / ${stream.p99Ms.toFixed(2)}`,
          stream.cpuMicros,
          ratioText(stream.cpuMicros, base?.cpuMicros),
          body.uploadMegabytesPerSecond,
          body.downloadMegabytesPerSecond,
          `${body.p50Ms.toFixed(2)} / ${body.p99Ms.toFixed(2)}`,
        ],
      ]
    }),
  )
}

function verdictsOf(summary: Summary): Verdict[] {
  const hop = summary.get(keyOf('mesh tls', 'solo'))
  const fresh = summary.get(keyOf('fresh tls', 'solo'))
  const body = summary.get(keyOf('mesh tls', 'body'))
  return [
    verdictOf({ what: 'a hop over TLS, c=1, 1 KB: p50', measured: hop?.p50Ms, atMost: 0.15, unit: ' ms' }),
    verdictOf({
      what: 'a hop over TLS, c=1, 1 KB',
      measured: hop === undefined || fresh === undefined ? undefined : fresh.p50Ms / hop.p50Ms,
      atLeast: 4,
      unit: ' × faster than a fresh stream',
    }),
    verdictOf({
      what: '64 MiB over one mesh stream, TLS, the slower way',
      measured: body && Math.min(body.uploadMegabytesPerSecond, body.downloadMegabytesPerSecond),
      atLeast: 150,
      unit: ' MB/s',
    }),
    verdictOf({ what: '1 KB during it: p99', measured: body?.p99Ms, atMost: 20, unit: ' ms' }),
  ]
}

export const meshSuite: Suite = async (context, options: BenchOptions) => {
  const { rounds, seconds, signal } = options
  const ends = new Map<HopVariant, Ends>()
  for (const variant of HOP_VARIANTS) ends.set(variant, await startEnds(context, variant, signal))
  const jobs = new Map(
    LOADS.flatMap((load) =>
      HOP_VARIANTS.filter((variant) => isMeasured(variant, load)).map((variant) => {
        const durationMs = 1_000 * (load === 'body' ? Math.min(seconds, MOST_BODY_SECONDS) : seconds)
        return [keyOf(variant, load), { variant, load, durationMs }] as const
      }),
    ),
  )
  const rows = await interleave(
    [...jobs.keys()],
    (name, round) => {
      context.say(`round ${round} of ${rounds}: ${name}`)
      const job = jobs.get(name) as HopJob
      const durationMs = round === 0 ? Math.max(WARM_UP_MS, job.durationMs) : job.durationMs
      return measure(context, ends.get(job.variant) as Ends, { ...job, durationMs }, signal)
    },
    { rounds, signal },
  )
  const summary: Summary = new Map([...rows].map(([name, measured]) => [name, medianRow<keyof HopRow>(measured)]))
  context.print(exchangeTable(summary))
  context.print(`\n${bodyTable(summary)}`)
  for (const { client, server } of ends.values()) await Promise.all([client.stop(), server.stop()])
  const pair = await runNodePair(context, options)
  context.print(`\n${pairTable(pair)}`)
  return {
    name: 'mesh',
    options: { rounds, seconds },
    summary: { hop: Object.fromEntries(summary), pair: pair.summary },
    rounds: { hop: Object.fromEntries(rows), pair: pair.rounds },
    verdicts: [...verdictsOf(summary), ...pairVerdicts(pair)],
  }
}
