/** Results as files: what was measured, with the facts of the machine that a reader needs, and nothing that names it. */
import { execFileSync } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { availableParallelism, cpus, release, totalmem } from 'node:os'
import { join } from 'node:path'
import type { Verdict } from './verdict.ts'

export interface MachineFacts {
  readonly cores: number
  readonly cpu: string
  readonly memoryGiB: number
  readonly kernel: string
  readonly architecture: string
  readonly versions: Readonly<Record<string, string>>
}

export interface BenchResult {
  readonly name: string
  readonly options: Readonly<Record<string, unknown>>
  /** Medians as printed. */
  readonly summary: unknown
  /** Every round, so that others can judge the spread. */
  readonly rounds: unknown
  readonly verdicts: readonly Verdict[]
}

function outputOf(command: string, args: readonly string[]): string | undefined {
  try {
    return execFileSync(command, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] }).trim()
  } catch {
    return undefined // not a git checkout, or git is missing
  }
}

/** The commit measured, marked when files differ from it. */
function commitOf(root: string): string {
  const commit = outputOf('git', ['-C', root, 'rev-parse', '--short', 'HEAD'])
  if (commit === undefined) return 'unknown'
  return outputOf('git', ['-C', root, 'status', '--porcelain', '--untracked-files=no', '--', 'src']) === ''
    ? commit
    : `${commit} with changes`
}

/** Facts that explain a number; no host name, user or path among them. */
export function machineFacts(root: string, versions: Readonly<Record<string, string>>): MachineFacts {
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string }
  return {
    cores: availableParallelism(),
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    kernel: release().split('-')[0] ?? 'unknown',
    architecture: process.arch,
    versions: { heddle: version, commit: commitOf(root), node: process.versions.node, ...versions },
  }
}

/** Writes `<name>-<date>.json` into `folder` and returns its name; a later run of the same minute replaces it. */
export function writeResult(folder: string, result: BenchResult, machine: MachineFacts, now: Date): string {
  mkdirSync(folder, { recursive: true })
  const stamp = now.toISOString().slice(0, 16).replaceAll(':', '')
  const name = `${result.name}-${stamp}.json`
  writeFileSync(
    join(folder, name),
    `${JSON.stringify({ date: now.toISOString(), machine, ...result }, roundNumbers, 2)}\n`,
  )
  return name
}

/** Six significant digits are more than any of these measurements has. */
function roundNumbers(_key: string, value: unknown): unknown {
  return typeof value === 'number' && !Number.isInteger(value) ? Number(value.toPrecision(6)) : value
}
