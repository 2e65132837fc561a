/** What every suite gets: its processes, its options, and a way to say what it is doing. */
import type { Processes } from '../peers/processes.ts'
import type { TargetName } from '../peers/target.ts'
import type { BenchResult } from '../report/result-file.ts'

export interface BenchOptions {
  readonly rounds: number
  readonly seconds: number
  readonly targets: readonly TargetName[]
  /** Concurrent paced streams of the `streams` suite. */
  readonly streams: number
  readonly signal: AbortSignal
}

export interface BenchContext {
  readonly processes: Processes
  readonly root: string
  /** Where downloaded programs are kept; ignored by git. */
  readonly cacheFolder: string
  readonly ticksPerSecond: number
  /** Progress, to stderr. */
  readonly say: (line: string) => void
  /** Results, to stdout. */
  readonly print: (text: string) => void
}

export type Suite = (context: BenchContext, options: BenchOptions) => Promise<BenchResult>
