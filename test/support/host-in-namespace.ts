/** Runs `host-program.ts` on a machine of a network lab. */
import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import type { HostOptions } from '../../src/adapters/libp2p/host-options.ts'
import type { HostAnswer, HostCommand } from './host-program.ts'
import type { Machine, NetworkLab } from './namespaces.ts'

const PROGRAM = new URL('./host-program.ts', import.meta.url).pathname

export interface RemoteHost extends AsyncDisposable {
  readonly id: string
  /** Rejects where the host could not do it. */
  ask(command: HostCommand): Promise<HostAnswer>
}

export async function startHostOn(
  lab: NetworkLab,
  machine: Machine,
  options: Partial<HostOptions>,
): Promise<RemoteHost> {
  const program = [process.execPath, PROGRAM, machine.name, JSON.stringify(options)]
  const [command = '', ...args] = lab.on(machine)
  const child = spawn(command, [...args, ...program], { stdio: ['pipe', 'pipe', 'inherit'] })
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  const ended = new Promise((resolve) => child.once('exit', resolve))
  const next = async (): Promise<HostAnswer> => {
    const { value, done } = await lines.next()
    if (done === true) throw new Error(`the host on ${machine.name} ended`)
    return JSON.parse(value) as HostAnswer
  }
  const { id } = await next()
  return {
    id,
    ask: async (asked) => {
      child.stdin.write(`${JSON.stringify(asked)}\n`)
      const answer = await next()
      if (answer.error !== undefined) throw new Error(`${machine.name} on ${asked.do}: ${answer.error}`)
      return answer
    },
    [Symbol.asyncDispose]: async () => {
      child.stdin.end()
      child.kill('SIGKILL')
      await ended
    },
  }
}
