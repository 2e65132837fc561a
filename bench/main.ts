/** The benchmarks: `npm run bench -- <suite> [options]`. */
import { execFileSync } from 'node:child_process'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { ticksPerSecond } from './measure/proc.ts'
import { PORTKEY_VERSION } from './peers/portkey.ts'
import { Processes } from './peers/processes.ts'
import { TARGET_NAMES, type TargetName } from './peers/target.ts'
import { machineFacts, writeResult } from './report/result-file.ts'
import { verdictTable } from './report/verdict.ts'
import type { BenchOptions, Suite } from './suites/context.ts'
import { gatewaySuite } from './suites/gateway.ts'
import { hostsSuite } from './suites/hosts.ts'
import { llamaSuite } from './suites/llama.ts'
import { streamsSuite } from './suites/many-streams.ts'
import { meshSuite } from './suites/mesh.ts'
import { registrySuite } from './suites/registry.ts'
import { startSuite } from './suites/start.ts'

const SUITES: Readonly<Record<string, Suite>> = {
  gateway: gatewaySuite,
  streams: streamsSuite,
  llama: llamaSuite,
  start: startSuite,
  registry: registrySuite,
  mesh: meshSuite,
  hosts: hostsSuite,
}

const USAGE = `usage: npm run bench -- <suite> [options]

suites
  gateway   Heddle beside nginx, Portkey and no proxy: JSON, SSE and thousands of streams
  streams   only the thousands of concurrent streams
  llama     the embedded model through HTTP against the same engine in process
  start     time until a node is ready, and its memory when idle
  registry  records, beats and comparisons at one node, and a thousand nodes in virtual time
  mesh      a hop between two nodes beside plain HTTP and beside a fresh stream for each request
  hosts     thirty real nodes on this machine: how long a change of a record takes to reach all

options
  --rounds N      measured rounds, medians are taken over them (3)
  --seconds N     length of one measurement (4)
  --streams N     concurrent streams (2000)
  --targets LIST  of ${TARGET_NAMES.join(',')} (all)
  --check         exit with 1 when a target of the project is missed
  --no-save       write no file into bench/results
`

const RANGES = { rounds: [1, 50], seconds: [1, 60], streams: [1, 8000] } as const

class UsageError extends Error {}

function numberOption(name: keyof typeof RANGES, text: string): number {
  const [least, most] = RANGES[name]
  const value = Number(text)
  if (!Number.isInteger(value) || value < least || value > most)
    throw new UsageError(`--${name} takes a whole number from ${least} to ${most}, not "${text}"`)
  return value
}

function targetsOption(text: string): TargetName[] {
  return text.split(',').map((name) => {
    const found = TARGET_NAMES.find((known) => known === name)
    if (found === undefined) throw new UsageError(`--targets knows ${TARGET_NAMES.join(', ')}, not "${name}"`)
    return found
  })
}

function parseCommandLine(signal: AbortSignal): {
  suite: Suite
  options: BenchOptions
  isChecked: boolean
  isSaved: boolean
} {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    allowNegative: true,
    options: {
      rounds: { type: 'string', default: '3' },
      seconds: { type: 'string', default: '4' },
      streams: { type: 'string', default: '2000' },
      targets: { type: 'string', default: TARGET_NAMES.join(',') },
      check: { type: 'boolean', default: false },
      save: { type: 'boolean', default: true },
    },
  })
  const [name = '', ...others] = positionals
  const suite = Object.hasOwn(SUITES, name) ? SUITES[name] : undefined
  if (suite === undefined || others.length > 0)
    throw new UsageError(`name one suite: ${Object.keys(SUITES).join(', ')}`)
  return {
    suite,
    options: {
      rounds: numberOption('rounds', values.rounds),
      seconds: numberOption('seconds', values.seconds),
      streams: numberOption('streams', values.streams),
      targets: targetsOption(values.targets),
      signal,
    },
    isChecked: values.check,
    isSaved: values.save,
  }
}

/** The first version-like word of what a program says about itself; wrk and nginx say it on stderr and exit as they like. */
function versionOf(command: string, flag: string): string {
  try {
    const output = execFileSync('sh', ['-c', `${command} ${flag} 2>&1 || true`], { encoding: 'utf8' })
    return /\d+\.\d+(\.\d+)?/.exec(output)?.[0] ?? 'unknown'
  } catch {
    return 'unknown'
  }
}

async function main(): Promise<number> {
  const interrupt = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM'] as const)
    process.once(signal, () => interrupt.abort(new Error(`stopped by ${signal}`)))
  const { suite, options, isChecked, isSaved } = parseCommandLine(interrupt.signal)
  const root = dirname(dirname(fileURLToPath(import.meta.url)))
  await using processes = new Processes()
  const result = await suite(
    {
      processes,
      root,
      cacheFolder: join(root, '.cache', 'bench'),
      ticksPerSecond: ticksPerSecond(),
      say: (line) => process.stderr.write(`bench: ${line}\n`),
      print: (text) => process.stdout.write(`${text}\n`),
    },
    options,
  )
  const machine = machineFacts(root, {
    nginx: versionOf('nginx', '-v'),
    wrk: versionOf('wrk', '-v'),
    portkey: PORTKEY_VERSION,
  })
  process.stdout.write(
    `\n${machine.cores} × ${machine.cpu}, ${machine.memoryGiB} GiB, Node ${process.versions.node}\n\n${verdictTable(result.verdicts)}\n`,
  )
  if (isSaved)
    process.stdout.write(
      `\nwritten: bench/results/${writeResult(join(root, 'bench', 'results'), result, machine, new Date())}\n`,
    )
  return isChecked && result.verdicts.some((verdict) => !verdict.holds) ? 1 : 0
}

try {
  process.exitCode = await main()
} catch (error) {
  process.stderr.write(`bench: ${error instanceof Error ? error.message : String(error)}\n`)
  if (error instanceof UsageError || (error as { code?: unknown }).code === 'ERR_PARSE_ARGS_UNKNOWN_OPTION')
    process.stderr.write(`\n${USAGE}`)
  process.exitCode = 2
}
