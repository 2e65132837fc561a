/** `npm run bench -- registry`: what a registry costs a node, and how fast a thousand nodes learn of a newcomer and of a change. */
import { availableParallelism } from 'node:os'
import { limit } from '../../src/core/limits.ts'
import { beatIntervalMs } from '../../src/core/registry/lease.ts'
import { type RegistryCost, registryCost } from '../registry/registry-cost.ts'
import { type NetworkFigures, simulateNetwork } from '../registry/simulated-network.ts'
import { tableOf } from '../report/table.ts'
import { verdictOf } from '../report/verdict.ts'
import type { Suite } from './context.ts'

const SIZES = [1_000, 10_000] as const
const STEADY = [100, 1_000, 10_000] as const
const NODES = 1_000
const JOINS = 3
const CHANGES = 8
const SECONDS_PER_MINUTE = 60

interface SteadyRow {
  readonly nodes: number
  readonly beatsPerSecond: number
  readonly recordsPerSecond: number
  readonly cpuPercent: number
  readonly kilobytesPerMinute: number
}

/** Growth law: beats a second = nodes / max(10, nodes / 50), at most 50; records a second = nodes / 540; each taken once. */
function steadyAt(nodes: number, cost: RegistryCost): SteadyRow {
  const beatsPerSecond = (nodes * 1_000) / beatIntervalMs(nodes)
  const recordsPerSecond = (nodes * 1_000) / (limit('recordRefreshMs') * 0.9)
  const microsPerSecond = beatsPerSecond * cost.beatMicros + recordsPerSecond * cost.takeMicros
  const bytesPerSecond = beatsPerSecond * cost.beatBytes + recordsPerSecond * cost.recordBytes
  return {
    nodes,
    beatsPerSecond,
    recordsPerSecond,
    cpuPercent: microsPerSecond / 10_000,
    kilobytesPerMinute: (bytesPerSecond * SECONDS_PER_MINUTE) / 1_000,
  }
}

/** CPU of this thread, so that a busy machine does not blur the costs. */
function cpuMs(): number {
  const { user, system } = process.threadCpuUsage()
  return (user + system) / 1_000
}

export const registrySuite: Suite = async (context, options) => {
  const costs = SIZES.map((size) => {
    context.say(`registry of ${size} records`)
    return registryCost(size, cpuMs)
  })
  context.print(
    tableOf(
      [
        'records',
        'record B',
        'beat B',
        'take µs',
        'seen before µs',
        'beat µs',
        'lookup p99 ms',
        'find 100 differences ms',
        'KB',
        'memory MB',
      ],
      costs.map((cost) => [
        cost.records,
        cost.recordBytes,
        cost.beatBytes,
        cost.takeMicros,
        cost.repeatMicros,
        cost.beatMicros,
        cost.lookupP99Ms,
        cost.compareMs,
        cost.compareBytes / 1_000,
        cost.megabytes,
      ]),
    ),
  )
  const large = costs.at(-1)
  const small = costs[0]
  const steady = large === undefined ? [] : STEADY.map((nodes) => steadyAt(nodes, large))
  context.print(
    '\nSteady state of one node, computed from the costs above; every message counted once, without what gossip itself adds:\n',
  )
  context.print(
    tableOf(
      ['nodes', 'beats/s', 'records/s', '% of a core', 'KB a minute'],
      steady.map((row) => [
        row.nodes,
        row.beatsPerSecond,
        row.recordsPerSecond,
        row.cpuPercent,
        row.kilobytesPerMinute,
      ]),
    ),
  )
  context.say(`${NODES} nodes in virtual time`)
  const startedAt = performance.now()
  const figures: NetworkFigures = await simulateNetwork(NODES, {
    joins: JOINS,
    changes: CHANGES,
    signal: options.signal,
  })
  const tookSeconds = (performance.now() - startedAt) / 1_000
  const worstJoin = Math.max(...figures.joinMs)
  const worstSpread = Math.max(...figures.spreadMs)
  context.print('')
  context.print(
    tableOf(
      [
        'nodes',
        'cold join ms (virtual), each',
        'a change at 99 % ms (virtual), worst',
        'gossip messages a minute',
        'run took s',
      ],
      [[figures.nodes, figures.joinMs.join(', '), worstSpread, figures.messagesPerMinute, tookSeconds]],
    ),
  )
  return {
    name: 'registry',
    options: { sizes: SIZES, nodes: NODES, joins: JOINS, changes: CHANGES, cores: availableParallelism() },
    summary: { costs, steady, figures },
    rounds: { joinMs: figures.joinMs, spreadMs: figures.spreadMs },
    verdicts: [
      verdictOf({ what: '1,000 nodes: cold join (virtual time)', measured: worstJoin, atMost: 10_000, unit: ' ms' }),
      verdictOf({
        what: '1,000 nodes: a change seen by 99 % (virtual time)',
        measured: worstSpread,
        atMost: 5_000,
        unit: ' ms',
      }),
      verdictOf({ what: '1,000 records at a node', measured: small?.megabytes, atMost: 60, unit: ' MB' }),
      verdictOf({ what: '1,000 records: lookup p99', measured: small?.lookupP99Ms, atMost: 1, unit: ' ms' }),
      verdictOf({ what: '10,000 records at a node', measured: large?.megabytes, atMost: 250, unit: ' MB' }),
      verdictOf({
        what: '10,000 nodes: CPU at steady refresh',
        measured: steady.at(-1)?.cpuPercent,
        atMost: 25,
        unit: ' % of a core',
      }),
    ],
  }
}
