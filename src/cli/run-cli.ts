/** One call of the command line, from its arguments to its exit code. */
import { type Command, CommanderError } from 'commander'
import { HeddleError, heddleErrorOf } from '../core/errors.ts'
import type { World } from './context.ts'
import { errorDocument, errorLines } from './error-text.ts'
import { EXIT, type ExitCode, exitCodeOf } from './exit-codes.ts'
import { Interruption } from './interruption.ts'
import { programOf } from './program.ts'
import { terminalOf } from './terminal.ts'

/** Runs the command that `args` (without program names) ask for. Never throws. */
export async function runCli(args: readonly string[], world: World): Promise<ExitCode> {
  let code: ExitCode = EXIT.ok
  const program = programOf({ world, done: (exit) => (code = exit) })
  try {
    if (args.length === 0) program.outputHelp()
    else await program.parseAsync(args, { from: 'user' })
    return code
  } catch (error) {
    if (error instanceof CommanderError && error.exitCode === 0) return EXIT.ok // help was asked for and is printed
    if (world.signal.aborted && isInterruption(world.signal.reason)) {
      return world.signal.reason.signal === 'SIGINT' ? EXIT.interrupted : EXIT.terminated
    }
    const failure = error instanceof CommanderError ? usageError(error, wordsIn(program, args)) : heddleErrorOf(error)
    show(failure, args, world)
    return exitCodeOf(failure.code)
  }
}

const isInterruption = (reason: unknown): reason is Interruption => reason instanceof Interruption

function show(failure: HeddleError, args: readonly string[], { env, stdout, stderr }: World): void {
  // The options may be what is wrong, so they are looked for by hand.
  const terminal = terminalOf({ stdout, stderr, env, plain: args.includes('--no-color') })
  if (args.includes('--json')) terminal.note(JSON.stringify(errorDocument(failure)))
  else
    for (const line of errorLines(failure, { env, stacks: args.includes('--trace') }, terminal.paintNote))
      terminal.note(line)
}

/** Commander's complaint in our form: `error: unknown option '--jsn'\n(Did you mean --json?)`. */
function usageError(error: CommanderError, words: readonly string[]): HeddleError {
  const [first = '', hint] = error.message
    .replace(/^error: /, '')
    .replace(/\.$/, '')
    .split('\n')
  const near = /^\(Did you mean (?:one of )?(.*)\?\)$/.exec(hint ?? '')?.[1]
  return new HeddleError('usage', near === undefined ? first : `${first}; did you mean ${near}?`, {
    fix: ['heddle', ...words, '--help'].join(' '),
  })
}

/** The words of `args` that name a command: `nodes ls` of `-H http://… nodes ls --jsn`. */
function wordsIn(program: Command, args: readonly string[]): readonly string[] {
  const words: string[] = []
  let command = program
  for (const arg of args) {
    const found = command.commands.find((each) => each.name() === arg || each.aliases().includes(arg))
    if (found === undefined) continue
    words.push(arg)
    command = found
  }
  return words
}
