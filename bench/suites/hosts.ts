/** `npm run bench -- hosts`: thirty real nodes on this machine, and how long a change of one record takes to reach all of them. */
import { fileURLToPath } from 'node:url'
import { NODE_ENVIRONMENT, NODE_FLAGS } from '../../scripts/setup.js'
import type { GroupAnswer, GroupQuestion } from '../hosts/group-messages.ts'
import { medianOf, percentileOf } from '../measure/statistics.ts'
import type { RunningProcess } from '../peers/processes.ts'
import { tableOf } from '../report/table.ts'
import { verdictOf } from '../report/verdict.ts'
import type { BenchContext, BenchOptions, Suite } from './context.ts'

const PROCESSES = 5
const HOSTS_EACH = 6
const HOSTS = PROCESSES * HOSTS_EACH
const JOINED_WITHIN_MS = 120_000
/** Anti-entropy has run several times by then. */
const SEEN_WITHIN_MS = 30_000
const CHANGES_PER_ROUND = 10
/** Below the pace at which an author's records are taken. */
const PAUSE_MS = 1_500

type Ask = (question: GroupQuestion) => Promise<GroupAnswer>

function startGroups({ processes }: BenchContext, signal: AbortSignal): readonly Ask[] {
  const file = fileURLToPath(new URL('../hosts/host-group.ts', import.meta.url))
  return Array.from({ length: PROCESSES }, (_, index) => {
    const child: RunningProcess = processes.spawn(`hosts ${index}`, process.execPath, [...NODE_FLAGS, file], {
      messages: true,
      env: NODE_ENVIRONMENT,
    })
    return async (question) => {
      const answer = await child.ask<GroupAnswer>({ ...question }, { signal })
      if (answer.error !== undefined) throw new Error(answer.error)
      return answer
    }
  })
}

/** Resolves with the milliseconds until every host listed all others. */
async function join(groups: readonly Ask[]): Promise<number> {
  const startedAt = performance.now()
  const [first, ...others] = groups
  const { addresses = [] } = (await first?.({ do: 'start', count: HOSTS_EACH, bootstrap: [] })) ?? {}
  const bootstrap = addresses.slice(0, 2)
  await Promise.all(others.map((ask) => ask({ do: 'start', count: HOSTS_EACH, bootstrap })))
  for (;;) {
    const counts = (await Promise.all(groups.map((ask) => ask({ do: 'counts' })))).flatMap(
      ({ counts: each = [] }) => each,
    )
    if (counts.length === HOSTS && counts.every((count) => count === HOSTS)) return performance.now() - startedAt
    if (performance.now() - startedAt > JOINED_WITHIN_MS) throw new Error(`hosts list ${counts.join(' ')} nodes`)
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
}

interface Spread {
  /** Milliseconds until each host saw the change. */
  readonly delays: readonly number[]
  readonly missed: number
}

async function spread(groups: readonly Ask[], number: number): Promise<Spread> {
  const name = `change ${number}`
  const author = number % groups.length
  const answers = await Promise.all(
    groups.map((ask, index) => {
      const question = { do: 'await-name', name, withinMs: SEEN_WITHIN_MS } as const
      return ask(index === author ? { ...question, author: number % HOSTS_EACH } : question)
    }),
  )
  const at = answers[author]?.at ?? Number.NaN
  const times = answers.flatMap(({ times: each = [] }) => each)
  const seen = times.filter((time) => time !== null)
  return { delays: seen.map((time) => time - at), missed: HOSTS - seen.length }
}

export const hostsSuite: Suite = async (context: BenchContext, { rounds, signal }: BenchOptions) => {
  const groups = startGroups(context, signal)
  context.say(`starting ${HOSTS} hosts in ${PROCESSES} processes`)
  const joinMs = await join(groups)
  const spreads: Spread[] = []
  for (let number = 0; number < rounds * CHANGES_PER_ROUND; number += 1) {
    context.say(`change ${number + 1} of ${rounds * CHANGES_PER_ROUND}`)
    spreads.push(await spread(groups, number))
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS))
  }
  const delays = spreads.flatMap((each) => each.delays)
  const missed = spreads.reduce((sum, each) => sum + each.missed, 0)
  const p50 = medianOf(delays)
  const p99 = percentileOf(delays, 0.99)
  const whole = medianOf(spreads.map((each) => Math.max(...each.delays)))
  context.print(
    tableOf(
      ['hosts', 'all list all, ms', 'changes', 'p50 ms', 'p99 ms', 'last host, median ms', 'missed'],
      [[HOSTS, joinMs, spreads.length, p50, p99, whole, missed].map((value) => String(Math.round(value)))],
    ),
  )
  return {
    name: 'hosts',
    options: { rounds, processes: PROCESSES, hostsEach: HOSTS_EACH },
    summary: { hosts: HOSTS, joinMs, p50, p99, whole, missed },
    rounds: spreads,
    verdicts: [
      verdictOf({
        what: `${HOSTS} hosts: a change of a record reaches all, p99`,
        measured: p99,
        atMost: 2_000,
        unit: ' ms',
      }),
      verdictOf({ what: `${HOSTS} hosts: changes missed after anti-entropy`, measured: missed, atMost: 0, unit: '' }),
    ],
  }
}
