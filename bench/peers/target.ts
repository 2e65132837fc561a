/** Something that answers chat requests on loopback and is measured: the upstream itself or a proxy in front of it. */
import type { RunningProcess } from './processes.ts'

export type TargetName = 'direct' | 'nginx' | 'portkey' | 'heddle'

export const TARGET_NAMES: readonly TargetName[] = ['direct', 'nginx', 'portkey', 'heddle']

export interface Target {
  readonly name: TargetName
  /** Where it listens; more than one only for the streaming mock asked directly. */
  readonly ports: readonly number[]
  /** Whose CPU and memory count: the proxy, or the mock itself for `direct`. */
  readonly process: RunningProcess
  /** Headers that every request to it needs, on top of `content-type`. */
  readonly headers: Readonly<Record<string, string>>
}
