/** `npm run bench -- registry`: what a registry costs a node, and how fast a thousand nodes learn of a newcomer and of a change. */
import { fileURLToPath } from 'node:url'
import { type Fit, leastSquares } from '../measure/least-squares.ts'
import { heldMemory } from '../registry/held-memory.ts'
import type { MeasuringJob } from '../registry/measuring-process.ts'
import type { RegistryCost } from '../registry/registry-cost.ts'
import type { NetworkFigures } from '../registry/simulated-network.ts'
import type { SteadyNode } from '../registry/steady-node.ts'
import { numberText, tableOf } from '../report/table.ts'
import { type Verdict, verdictOf } from '../report/verdict.ts'
import type { BenchContext, Suite } from './context.ts'

const SIZES = [1_000, 10_000, 100_000] as const
const HELD = [1_000, 10_000] as const
const STEADY = [100, 300, 1_000, 3_000, 10_000] as const
const NETWORK = { kind: 'network', nodes: 1_000, joins: 3, changes: 5, steadySeconds: 10 } as const
/** A thousand registries of a thousand records are about 2 GB; V8 would stop at 4 of all it has. */
const FLAGS = ['--disable-warning=ExperimentalWarning', '--max-old-space-size=6000']
const PROGRAM = fileURLToPath(new URL('../registry/measuring-process.ts', import.meta.url))
/** From here on beats come 50 a second whatever the size: max(10 s, nodes / 50 s). */
const FULL_BEATS_AT = 500
const MS_PER_MINUTE = 60_000

async function measured<Found>(context: BenchContext, job: MeasuringJob, signal: AbortSignal): Promise<Found> {
  const startedAt = performance.now()
  const child = context.processes.spawn(`measure ${job.kind}`, process.execPath, [...FLAGS, PROGRAM], {
    messages: true,
  })
  const found = await child.ask<Found>(job, { signal })
  await child.stop()
  context.say(
    `${job.kind} ${'records' in job ? job.records : job.nodes}: ${((performance.now() - startedAt) / 1_000).toFixed(0)} s`,
  )
  return found
}

/** `a + b·min(nodes, 500) + c·nodes`: what is always there, what comes with beats, and what comes with records. */
function lawOf(rows: readonly SteadyNode[], costOf: (row: SteadyNode) => number): Fit {
  return leastSquares(rows.map((row) => ({ xs: [1, Math.min(row.nodes, FULL_BEATS_AT), row.nodes], y: costOf(row) })))
}

function lawText(what: string, unit: string, { coefficients, worstError }: Fit): string {
  const [always = 0, beats = 0, records = 0] = coefficients
  const terms = `${numberText(always, 1)} + ${numberText(beats, 3)}·min(nodes, ${FULL_BEATS_AT}) + ${numberText(records, 4)}·nodes`
  return `${what} a minute ≈ ${terms} ${unit} (worst point ${numberText(worstError * 100, 0)} % off)`
}

function costTables(costs: readonly RegistryCost[]): string {
  const main = tableOf(
    [
      'records',
      'record B',
      'beat B',
      'read µs',
      'verify µs',
      'take, unverified µs',
      'refresh µs',
      'seen before µs',
      'beat µs',
      'lookup p50 ms',
      'p99 ms',
      'heap MB',
    ],
    costs.map((cost) => [
      cost.records,
      cost.recordBytes,
      cost.beatBytes,
      cost.readMicros,
      cost.verifyMicros,
      cost.takeMicros,
      cost.refreshMicros,
      cost.repeatMicros,
      cost.beatMicros,
      numberText(cost.lookupP50Ms, 4),
      numberText(cost.lookupP99Ms, 4),
      cost.megabytes,
    ]),
  )
  const compare = tableOf(
    ['records', 'of which differ', 'compared in ms', 'KB both ways, without the records'],
    costs.flatMap(({ records, compare: rows }) =>
      rows.map(({ differ, ms, bytes }) => [records, differ, ms, bytes / 1_000]),
    ),
  )
  return `${main}\n\n${compare}`
}

function steadyTable(rows: readonly SteadyNode[]): string {
  return tableOf(
    [
      'nodes',
      'beats/s',
      'records/s',
      'CPU ms a minute',
      '% of a core',
      'gossip KB a minute',
      'comparisons KB a minute',
    ],
    rows.map((row) => [
      row.nodes,
      row.beatsPerSecond,
      row.recordsPerSecond,
      row.cpuMsPerMinute,
      (row.cpuMsPerMinute / MS_PER_MINUTE) * 100,
      row.gossipKilobytesPerMinute,
      2 * row.syncKilobytesPerMinute,
    ]),
  )
}

function networkTable(figures: NetworkFigures): string {
  return tableOf(
    [
      'nodes',
      'cold joins, ms',
      'change at 99 %, ms',
      'at all, ms',
      'messages a minute',
      'copies of each',
      'gossip KB a minute, all copies',
      'comparisons KB a minute',
    ],
    [
      [
        figures.nodes,
        figures.joinMs.join(', '),
        figures.spreadMs.join(', '),
        figures.everybodyMs.join(', '),
        figures.messagesPerMinute,
        figures.copiesPerMessage,
        figures.gossipKilobytesPerMinute,
        2 * figures.syncKilobytesPerMinute,
      ],
    ],
  )
}

export const registrySuite: Suite = async (context, { signal }) => {
  const costs: RegistryCost[] = []
  for (const records of SIZES) costs.push(await measured(context, { kind: 'cost', records }, signal))
  context.print(`One registry, CPU time of its thread:\n\n${costTables(costs)}`)
  context.say('processes that hold records')
  const held = heldMemory(HELD)
  context.print(
    `\nA process that holds records, as the system counts its memory:\n\n${tableOf(
      ['records', 'RSS MB', 'MiB more than without'],
      held.map((row) => [row.records, row.rssMegabytes, row.moreMebibytes]),
    )}`,
  )
  const steady: SteadyNode[] = []
  for (const nodes of STEADY) steady.push(await measured(context, { kind: 'steady', nodes }, signal))
  const laws = {
    cpuMs: lawOf(steady, (row) => row.cpuMsPerMinute),
    kilobytes: lawOf(steady, (row) => row.gossipKilobytesPerMinute + 2 * row.syncKilobytesPerMinute),
  }
  context.print(
    [
      '\nOne node at rest among others, nothing shared, each message counted once, without what a transport adds:\n',
      steadyTable(steady),
      '',
      lawText('CPU', 'ms', laws.cpuMs),
      lawText('bytes', 'KB', laws.kilobytes),
    ].join('\n'),
  )
  const figures: NetworkFigures = await measured(context, NETWORK, signal)
  context.print(
    [
      `\n${figures.nodes} whole memberships in virtual time, links of 5 to 60 ms that lose 1 %; what a message says is computed once for all`,
      'of them, but by each newcomer for itself:\n',
      networkTable(figures),
    ].join('\n'),
  )
  return {
    name: 'registry',
    options: { sizes: SIZES, held: HELD, steady: STEADY, network: NETWORK },
    summary: { costs, held, steady, laws, figures },
    rounds: { joinMs: figures.joinMs, spreadMs: figures.spreadMs, everybodyMs: figures.everybodyMs },
    verdicts: verdictsOf({ costs, held, steady, figures }),
  }
}

function verdictsOf({
  costs,
  held,
  steady,
  figures,
}: {
  readonly costs: readonly RegistryCost[]
  readonly held: ReturnType<typeof heldMemory>
  readonly steady: readonly SteadyNode[]
  readonly figures: NetworkFigures
}): readonly Verdict[] {
  const [small, large] = [costs[0], costs[1]]
  const cpuPercent = ((steady.at(-1)?.cpuMsPerMinute ?? Number.NaN) / MS_PER_MINUTE) * 100
  const join = Math.max(...figures.joinMs)
  const spread = Math.max(...figures.spreadMs)
  return [
    verdictOf({ what: '1,000 nodes: cold join (virtual time)', measured: join, atMost: 10_000, unit: ' ms' }),
    verdictOf({ what: '1,000 nodes: a change at 99 % (virtual time)', measured: spread, atMost: 5_000, unit: ' ms' }),
    verdictOf({ what: '1,000 records in a process', measured: held[0]?.moreMebibytes, atMost: 60, unit: ' MiB' }),
    verdictOf({
      what: '1,000 records: lookup p99',
      measured: microsOf(small?.lookupP99Ms),
      atMost: 1_000,
      unit: ' µs',
    }),
    verdictOf({
      what: '10,000 records: lookup p99',
      measured: microsOf(large?.lookupP99Ms),
      atMost: 1_000,
      unit: ' µs',
    }),
    verdictOf({ what: '10,000 records in a process', measured: held[1]?.moreMebibytes, atMost: 250, unit: ' MiB' }),
    verdictOf({ what: '10,000 nodes: CPU at rest', measured: cpuPercent, atMost: 25, unit: ' % of a core' }),
  ]
}

function microsOf(ms: number | undefined): number | undefined {
  return ms === undefined ? undefined : ms * 1_000
}
