/** CPU time and memory of a process and all its descendants, read from Linux's /proc. */
import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'

/** What `/proc/<pid>/stat` says; CPU times are in clock ticks and cover all threads of the process. */
export interface ProcStat {
  readonly parent: number
  readonly userTicks: number
  readonly systemTicks: number
}

/** Parses one stat line; the command name in brackets may itself hold spaces and brackets (proc(5)). */
export function parseProcStat(line: string): ProcStat {
  const fields = line.slice(line.lastIndexOf(')') + 2).split(' ')
  const [parent, userTicks, systemTicks] = [Number(fields[1]), Number(fields[11]), Number(fields[12])]
  if (![parent, userTicks, systemTicks].every(Number.isInteger)) throw new Error('unreadable /proc stat line')
  return { parent, userTicks, systemTicks }
}

/** Resident memory in bytes from the text of `/proc/<pid>/status`. */
export function parseResidentBytes(status: string): number {
  const found = /^VmRSS:\s+(\d+) kB$/m.exec(status)
  if (found === null) throw new Error('no VmRSS in /proc status')
  return Number(found[1]) * 1024
}

/** `root` and its descendants, given every process's parent. */
export function processTree(root: number, parents: ReadonlyMap<number, number>): number[] {
  const tree = [root]
  for (const pid of tree) {
    for (const [child, parent] of parents) if (parent === pid) tree.push(child)
  }
  return tree
}

function readStat(pid: number): ProcStat | undefined {
  try {
    return parseProcStat(readFileSync(`/proc/${pid}/stat`, 'utf8'))
  } catch {
    return undefined // the process ended between listing and reading
  }
}

function allParents(): Map<number, number> {
  const parents = new Map<number, number>()
  for (const entry of readdirSync('/proc')) {
    if (!/^\d+$/.test(entry)) continue
    const stat = readStat(Number(entry))
    if (stat !== undefined) parents.set(Number(entry), stat.parent)
  }
  return parents
}

/** Clock ticks per second of this kernel. */
export function ticksPerSecond(): number {
  return Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }))
}

/** Microseconds of CPU (user and system) that `pid` and its descendants have used so far. */
export function cpuMicros(pid: number, ticksASecond: number): number {
  let ticks = 0
  for (const member of processTree(pid, allParents())) {
    const stat = readStat(member)
    if (stat !== undefined) ticks += stat.userTicks + stat.systemTicks
  }
  return (ticks / ticksASecond) * 1e6
}

export interface ResidentBytes {
  /** The process itself. */
  readonly own: number
  /** Its descendants together. */
  readonly children: number
}

/** Resident memory of `pid` and, apart from it, of its descendants. */
export function residentBytes(pid: number): ResidentBytes {
  let children = 0
  for (const member of processTree(pid, allParents()).slice(1)) {
    try {
      children += parseResidentBytes(readFileSync(`/proc/${member}/status`, 'utf8'))
    } catch {
      // a child that has just ended holds nothing
    }
  }
  return { own: parseResidentBytes(readFileSync(`/proc/${pid}/status`, 'utf8')), children }
}
