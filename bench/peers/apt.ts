/** The Debian programs that the bench measures with: found, or installed when this runs as root on a machine with apt. */
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'

const PACKAGES = { nginx: 'nginx-light', wrk: 'wrk' } as const
export type Program = keyof typeof PACKAGES

function isOnPath(program: string): boolean {
  return (process.env['PATH'] ?? '').split(':').some((folder) => folder !== '' && existsSync(join(folder, program)))
}

function run(command: string, args: readonly string[]): void {
  const result = spawnSync(command, args, {
    stdio: ['ignore', 'ignore', 'inherit'],
    // RUNLEVEL keeps Debian from starting nginx as a service of the machine.
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive', RUNLEVEL: '1' },
  })
  if (result.status !== 0)
    throw new Error(`${command} ${args.join(' ')} failed: ${result.error?.message ?? `exit ${result.status}`}`)
}

/** Makes sure that `programs` can be started, or says in one sentence what to do. */
export function ensurePrograms(programs: readonly Program[], say: (line: string) => void): void {
  const missing = programs.filter((program) => !isOnPath(program))
  if (missing.length === 0) return
  const packages = missing.map((program) => PACKAGES[program])
  if (process.getuid?.() !== 0 || !isOnPath('apt-get')) {
    throw new Error(
      `the bench needs ${missing.join(' and ')}; install them (Debian: sudo apt-get install ${packages.join(' ')}) and run it again`,
    )
  }
  say(`installing ${packages.join(', ')} with apt-get`)
  run('apt-get', ['update', '-qq'])
  run('apt-get', ['install', '-y', '-qq', '--no-install-recommends', ...packages])
}
