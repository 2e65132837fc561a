/** Whole JSON answers at concurrency 1 and 50: throughput, latency, CPU and memory of every target. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { runWrk } from '../load/wrk.ts'
import { cpuMicros, residentBytes } from '../measure/proc.ts'
import { interleave, medianRow } from '../measure/statistics.ts'
import { startJsonMock } from '../mock-upstream/mocks.ts'
import { chatRequest, JSON_MODEL, jsonAnswer } from '../mock-upstream/openai-shapes.ts'
import { startHeddleProxy } from '../peers/heddle.ts'
import { startNginxProxy } from '../peers/nginx.ts'
import { startPortkey } from '../peers/portkey.ts'
import type { Target, TargetName } from '../peers/target.ts'
import type { BenchContext, BenchOptions } from './context.ts'

const MANY = 50

export interface JsonRow {
  readonly requestsPerSecond: number
  readonly p50Ms: number
  readonly p99Ms: number
  readonly cpuMicrosPerRequest: number
  readonly soloP50Ms: number
  readonly soloP99Ms: number
  readonly soloCpuMicrosPerRequest: number
  readonly residentBytes: number
  readonly errors: number
}

export interface JsonReport {
  readonly summary: ReadonlyMap<string, JsonRow>
  readonly rounds: ReadonlyMap<string, readonly JsonRow[]>
}

/** Asks once and compares the whole answer, so that no one is fast by answering something else. */
async function proveAnswer(target: Target, signal: AbortSignal): Promise<void> {
  const response = await fetch(`http://127.0.0.1:${target.ports[0]}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...target.headers },
    body: chatRequest(JSON_MODEL, false),
    signal,
  })
  const text = await response.text()
  if (response.status !== 200) throw new Error(`${target.name} answered ${response.status}: ${text.slice(0, 300)}`)
  const wanted = JSON.parse(jsonAnswer()) as { choices: unknown; usage: unknown }
  const got = JSON.parse(text) as typeof wanted
  const isSame = JSON.stringify([got.choices, got.usage]) === JSON.stringify([wanted.choices, wanted.usage])
  if (!isSame) throw new Error(`${target.name} changed the answer: ${text.slice(0, 300)}`)
}

async function startTargets(context: BenchContext, { targets, signal }: BenchOptions): Promise<Target[]> {
  const mock = await startJsonMock(context, { signal })
  const [port = 0] = mock.ports
  const start: Record<TargetName, () => Promise<Target>> = {
    direct: async () => ({ name: 'direct', ports: mock.ports, process: mock.process, headers: {} }),
    nginx: () => startNginxProxy(context, port, { buffering: true, signal }),
    portkey: () => startPortkey(context, port, { signal }),
    heddle: () => startHeddleProxy(context, mock.ports, { models: [JSON_MODEL], signal }),
  }
  const started: Target[] = []
  for (const name of targets) started.push(await start[name]())
  return started
}

async function measureOnce(
  context: BenchContext,
  target: Target,
  bodyFile: string,
  { seconds, signal }: BenchOptions,
): Promise<JsonRow> {
  const load = async (
    connections: number,
  ): Promise<{ result: Awaited<ReturnType<typeof runWrk>>; cpuMicrosPerRequest: number }> => {
    const before = cpuMicros(target.process.pid, context.ticksPerSecond)
    const url = `http://127.0.0.1:${target.ports[0]}/v1/chat/completions`
    const result = await runWrk({ url, bodyFile, headers: target.headers, connections, seconds }, { signal })
    const used = cpuMicros(target.process.pid, context.ticksPerSecond) - before
    return { result, cpuMicrosPerRequest: used / Math.max(1, result.requests) }
  }
  const many = await load(MANY)
  const resident = residentBytes(target.process.pid)
  const solo = await load(1)
  return {
    requestsPerSecond: many.result.requestsPerSecond,
    p50Ms: many.result.p50Ms,
    p99Ms: many.result.p99Ms,
    cpuMicrosPerRequest: many.cpuMicrosPerRequest,
    soloP50Ms: solo.result.p50Ms,
    soloP99Ms: solo.result.p99Ms,
    soloCpuMicrosPerRequest: solo.cpuMicrosPerRequest,
    residentBytes: resident.own + resident.children,
    errors: many.result.errors + solo.result.errors,
  }
}

/** V8 compiles what is hot for about this long; nginx does not mind. */
const WARM_UP_SECONDS = 8

export async function runJsonLoad(context: BenchContext, options: BenchOptions): Promise<JsonReport> {
  const targets = await startTargets(context, options)
  try {
    for (const target of targets) await proveAnswer(target, options.signal)
    const bodyFile = join(context.processes.folder, 'chat.json')
    writeFileSync(bodyFile, chatRequest(JSON_MODEL, false))
    const byName = new Map<string, Target>(targets.map((target) => [target.name, target]))
    const rounds = await interleave(
      [...byName.keys()],
      (name, round) => {
        context.say(`json, ${round === 0 ? 'warm-up' : `round ${round} of ${options.rounds}`}: ${name}`)
        const seconds = round === 0 ? Math.max(WARM_UP_SECONDS, options.seconds) : options.seconds
        return measureOnce(context, byName.get(name) as Target, bodyFile, { ...options, seconds })
      },
      options,
    )
    // Errors are added up, not averaged away.
    const summary = [...rounds].map(([name, rows]) => {
      const errors = rows.reduce((sum, row) => sum + row.errors, 0)
      return [name, { ...medianRow<keyof JsonRow>(rows), errors }] as const
    })
    for (const target of targets) await proveAnswer(target, options.signal)
    return { summary: new Map(summary), rounds }
  } finally {
    for (const target of targets) await target.process.stop()
  }
}
