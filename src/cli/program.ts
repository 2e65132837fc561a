/** The command line as a whole: options that hold everywhere, groups of commands, help. */
import { Command, type OutputConfiguration } from 'commander'
import type { Act } from './act.ts'
import { contextOf, type GlobalOptions, type World } from './context.ts'
import { declareIdentity, declareNetworks } from './declare-identity.ts'
import { declareLooking } from './declare-looking.ts'
import { declareMachine } from './declare-machine.ts'
import { declareMesh } from './declare-mesh.ts'
import { declareNode } from './declare-node.ts'
import { declareUse } from './declare-use.ts'
import type { ExitCode } from './exit-codes.ts'
import { ownVersion } from './own-version.ts'

export interface ProgramOptions {
  readonly world: World
  /** Called with the exit code of the command that ran. */
  readonly done: (code: ExitCode) => void
  /** Columns of help; commander asks the terminal where it is left out. */
  readonly helpWidth?: number | undefined
}

/** A program that throws commander's errors instead of ending the process. */
export function programOf({ world, done, helpWidth }: ProgramOptions): Command {
  const act: Act =
    (work) =>
    async (...args) => {
      const command = args.at(-1) as Command
      const context = contextOf(world, command.optsWithGlobals<GlobalOptions>())
      done(await work(context, ...(args.slice(0, -1) as never)))
    }
  const program = new Command('heddle')
  const output: OutputConfiguration = {
    writeOut: (text) => void world.stdout.write(text),
    writeErr: (text) => void world.stderr.write(text),
    // Whoever called shows the error, in the form of all errors.
    outputError: () => {},
    ...(helpWidth === undefined ? {} : { getOutHelpWidth: () => helpWidth, getErrHelpWidth: () => helpWidth }),
  }
  program
    .description('Serves every model you can reach through one OpenAI-compatible endpoint.')
    .configureOutput(output)
    .exitOverride()
    .showSuggestionAfterError()
    .configureHelp({ showGlobalOptions: true, minWidthToWrap: 20 })
    .helpCommand(false)
    .option('--json', 'print one JSON document, for programs')
    .option('--no-color', 'no colour')
    .option('--trace', 'print stacks with errors')
    .option('--config <file>', 'read this config file before the others')
    .option('-H, --host <url>', 'speak to the node at this URL; also HEDDLE_HOST')
    .option('--api-key-file <file>', 'use the key in this file, or - for stdin; also HEDDLE_API_KEY')
    .version(ownVersion(), '-V, --version', 'print the version')
  declareNode(program, act)
  declareUse(program, act)
  declareLooking(program, act)
  declareMesh(program, act)
  declareNetworks(program, act)
  declareMachine(program, act)
  declareIdentity(program, act)
  return program
}
