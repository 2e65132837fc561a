/** `npm run bench -- start`: how soon a node is ready with the embedded model, and what an idle node weighs. */
import { setTimeout as sleep } from 'node:timers/promises'
import { keptConnections, streamChat } from '../load/chat-client.ts'
import { residentBytes } from '../measure/proc.ts'
import { medianOf } from '../measure/statistics.ts'
import { type HeddleNode, offeredModels, startHeddle } from '../peers/heddle.ts'
import { tableOf } from '../report/table.ts'
import { verdictOf } from '../report/verdict.ts'
import type { BenchContext, BenchOptions, Suite } from './context.ts'

/** Start-up work such as compiling and first health checks is over by then. */
const IDLE_MS = 5_000
const READY_LIMIT_MS = 3_000
const RESIDENT_LIMIT_MB = 130

interface StartRow {
  readonly readyMs: number
  readonly ownMegabytes: number
  readonly childrenMegabytes: number
}

/** A node that says it is ready must answer with what its model says, and nothing made up. */
async function proveReady(node: HeddleNode, signal: AbortSignal): Promise<void> {
  const agent = keptConnections()
  const [model] = await offeredModels(node, signal)
  const body = JSON.stringify({
    model,
    messages: [{ role: 'user', content: 'What is the capital of France?' }],
    temperature: 0,
    stream: true,
    stream_options: { include_usage: true },
  })
  const { text } = await streamChat({ agent, port: node.port, key: node.key, body }, { signal })
  agent.destroy()
  if (text.trim() !== 'The capital of France is Paris.') throw new Error(`the embedded model answered "${text}"`)
}

async function startOnce(
  context: BenchContext,
  { runtimes, readyPath }: { readonly runtimes: string | undefined; readonly readyPath: '/readyz' | '/livez' },
  { signal }: BenchOptions,
): Promise<StartRow> {
  const node = await startHeddle(context, { name: 'heddle-start', runtimes, models: [], readyPath, signal })
  try {
    if (readyPath === '/readyz') await proveReady(node, signal)
    await sleep(IDLE_MS, undefined, { signal })
    const { own, children } = residentBytes(node.process.pid)
    return { readyMs: node.readyMs, ownMegabytes: own / 1e6, childrenMegabytes: children / 1e6 }
  } finally {
    await node.process.stop()
  }
}

export const startSuite: Suite = async (context, options) => {
  const kinds = {
    'embedded model': { runtimes: undefined, readyPath: '/readyz' },
    'no runtime': { runtimes: 'none', readyPath: '/livez' },
  } as const
  const rounds = new Map<string, StartRow[]>(Object.keys(kinds).map((kind) => [kind, []]))
  for (let round = 1; round <= options.rounds; round += 1) {
    for (const [kind, settings] of Object.entries(kinds)) {
      context.say(`start, round ${round} of ${options.rounds}: ${kind}`)
      rounds.get(kind)?.push(await startOnce(context, settings, options))
    }
  }
  const median = (kind: keyof typeof kinds, key: keyof StartRow): number =>
    medianOf((rounds.get(kind) ?? []).map((row) => row[key]))
  const names = Object.keys(kinds) as (keyof typeof kinds)[]
  context.print(
    tableOf(
      ['node', 'ready ms', 'each round ms', 'idle RSS MB', 'of its engine process MB'],
      names.map((kind) => [
        kind,
        median(kind, 'readyMs'),
        (rounds.get(kind) ?? []).map((row) => row.readyMs.toFixed(0)).join(', '),
        median(kind, 'ownMegabytes'),
        median(kind, 'childrenMegabytes'),
      ]),
    ),
  )
  return {
    name: 'start',
    options: { rounds: options.rounds, idleMs: IDLE_MS },
    summary: Object.fromEntries(
      names.map((kind) => [
        kind,
        {
          readyMs: median(kind, 'readyMs'),
          ownMegabytes: median(kind, 'ownMegabytes'),
          childrenMegabytes: median(kind, 'childrenMegabytes'),
        },
      ]),
    ),
    rounds: Object.fromEntries(rounds),
    verdicts: [
      verdictOf({
        what: 'ready after `heddle serve` with the embedded model',
        measured: median('embedded model', 'readyMs'),
        atMost: READY_LIMIT_MS,
        unit: ' ms',
      }),
      verdictOf({
        what: 'idle RSS without a model',
        measured: median('no runtime', 'ownMegabytes') + median('no runtime', 'childrenMegabytes'),
        atMost: RESIDENT_LIMIT_MB,
        unit: ' MB',
      }),
    ],
  }
}
