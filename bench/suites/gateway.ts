/** `npm run bench -- gateway`: Heddle in front of a fast mock, beside nginx, Portkey and no proxy at all, in one run. */
import { ensurePrograms } from '../peers/apt.ts'
import { TARGET_NAMES } from '../peers/target.ts'
import { ratioText, tableOf } from '../report/table.ts'
import { type Verdict, verdictOf } from '../report/verdict.ts'
import type { Suite } from './context.ts'
import { type JsonReport, runJsonLoad } from './json-load.ts'
import { manyStreamsTable, manyStreamsVerdicts, runManyStreams } from './many-streams.ts'
import { runStreamLoad, STREAM_LOADS, type StreamReport } from './stream-load.ts'

function jsonTable({ summary }: JsonReport): string {
  const [nginx, portkey, direct] = [summary.get('nginx'), summary.get('portkey'), summary.get('direct')]
  return tableOf(
    [
      'target',
      'req/s',
      '× nginx',
      '× Portkey',
      'p50/p99 ms (c=50)',
      'p50/p99 ms (c=1)',
      'added p50 ms',
      'added p99 ms',
      'CPU µs/req',
      '× nginx CPU',
      'RSS MB',
      'errors',
    ],
    [...summary].map(([name, row]) => [
      name,
      row.requestsPerSecond.toFixed(0),
      ratioText(row.requestsPerSecond, nginx?.requestsPerSecond),
      ratioText(row.requestsPerSecond, portkey?.requestsPerSecond),
      `${row.p50Ms.toFixed(2)} / ${row.p99Ms.toFixed(2)}`,
      `${row.soloP50Ms.toFixed(3)} / ${row.soloP99Ms.toFixed(3)}`,
      direct === undefined ? '–' : (row.soloP50Ms - direct.soloP50Ms).toFixed(3),
      direct === undefined ? '–' : (row.soloP99Ms - direct.soloP99Ms).toFixed(3),
      row.cpuMicrosPerRequest,
      ratioText(row.cpuMicrosPerRequest, nginx?.cpuMicrosPerRequest),
      row.residentBytes / 1e6,
      String(row.errors),
    ]),
  )
}

function streamTable({ summary }: StreamReport): string {
  return tableOf(
    [
      'load',
      'target',
      'streams/s',
      'CPU µs/stream',
      '× nginx',
      'first frame p50/p99 ms',
      'stream p50 ms',
      'frames ok',
      'lost',
      'wrong',
      'streams',
      'intact',
      'errors',
    ],
    [...summary].map(([name, row]) => {
      const [load = '', target = ''] = name.split(' ')
      return [
        load.replace('bench-', ''),
        target,
        row.streamsPerSecond,
        row.cpuMicrosPerStream,
        ratioText(row.cpuMicrosPerStream, summary.get(`${load} nginx`)?.cpuMicrosPerStream),
        `${row.firstFrameP50Ms.toFixed(1)} / ${row.firstFrameP99Ms.toFixed(1)}`,
        row.streamP50Ms,
        String(row.framesIntact),
        String(row.framesLost),
        String(row.framesWrong),
        String(row.streams),
        String(row.intactStreams),
        String(row.errors),
      ]
    }),
  )
}

const divide = (value: number | undefined, base: number | undefined): number | undefined =>
  value === undefined || base === undefined ? undefined : value / base
const subtract = (value: number | undefined, base: number | undefined): number | undefined =>
  value === undefined || base === undefined ? undefined : value - base

function jsonVerdicts({ summary }: JsonReport): Verdict[] {
  const [heddle, nginx, portkey, direct] = [
    summary.get('heddle'),
    summary.get('nginx'),
    summary.get('portkey'),
    summary.get('direct'),
  ]
  return [
    verdictOf({
      what: 'JSON req/s at c=50, one process',
      measured: divide(heddle?.requestsPerSecond, nginx?.requestsPerSecond),
      atLeast: 0.3,
      unit: ' × nginx',
    }),
    verdictOf({
      what: 'JSON req/s at c=50, one process',
      measured: divide(heddle?.requestsPerSecond, portkey?.requestsPerSecond),
      atLeast: 6,
      unit: ' × Portkey',
    }),
    verdictOf({
      what: 'CPU per JSON request',
      measured: divide(heddle?.cpuMicrosPerRequest, nginx?.cpuMicrosPerRequest),
      atMost: 4,
      unit: ' × nginx',
    }),
    verdictOf({
      what: 'added p50 at c=1 over direct',
      measured: subtract(heddle?.soloP50Ms, direct?.soloP50Ms),
      atMost: 0.4,
      unit: ' ms',
    }),
    verdictOf({
      what: 'added p99 at c=1 over direct',
      measured: subtract(heddle?.soloP99Ms, direct?.soloP99Ms),
      atMost: 2,
      unit: ' ms',
    }),
    verdictOf({ what: 'JSON answers that failed', measured: heddle?.errors, atMost: 0, unit: '' }),
  ]
}

function streamVerdicts({ summary }: StreamReport): Verdict[] {
  return STREAM_LOADS.flatMap((load) => {
    const [heddle, nginx] = [summary.get(`${load} heddle`), summary.get(`${load} nginx`)]
    const damaged =
      heddle && heddle.streams - heddle.intactStreams + heddle.framesLost + heddle.framesWrong + heddle.errors
    const kind = load.replace('bench-', '')
    return [
      verdictOf({
        what: `CPU per 100-chunk SSE stream, ${kind}`,
        measured: divide(heddle?.cpuMicrosPerStream, nginx?.cpuMicrosPerStream),
        atMost: 2.5,
        unit: ' × nginx',
      }),
      verdictOf({ what: `damaged SSE frames and streams, ${kind}`, measured: damaged, atMost: 0, unit: '' }),
    ]
  })
}

export const gatewaySuite: Suite = async (context, options) => {
  ensurePrograms(['nginx', 'wrk'], context.say)
  const targets = TARGET_NAMES.filter((name) => options.targets.includes(name))
  const json = await runJsonLoad(context, { ...options, targets })
  context.print(`\nJSON: 1 KB request, 700 B answer; ${options.rounds} rounds of ${options.seconds} s each, medians\n`)
  context.print(jsonTable(json))
  const stream = await runStreamLoad(context, { ...options, targets })
  context.print(`\nSSE: streams of 100 chunks on 50 connections, paced (one per 2 ms) and in a burst\n`)
  context.print(streamTable(stream))
  const many = await runManyStreams(context, { ...options, targets })
  context.print(`\n${options.streams} concurrent streams, one chunk per 100 ms\n`)
  context.print(manyStreamsTable(many))
  return {
    name: 'gateway',
    options: { rounds: options.rounds, seconds: options.seconds, streams: options.streams, targets },
    summary: {
      json: Object.fromEntries(json.summary),
      stream: Object.fromEntries(stream.summary),
      manyStreams: Object.fromEntries(many),
    },
    rounds: { json: Object.fromEntries(json.rounds), stream: Object.fromEntries(stream.rounds) },
    verdicts: [...jsonVerdicts(json), ...streamVerdicts(stream), ...manyStreamsVerdicts(many, options.streams)],
  }
}
