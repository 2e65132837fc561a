/** Commands that look: what the node is, does and did. */
import type { Command } from 'commander'
import type { Act } from './act.ts'
import type { LogsOptions } from './commands/logs.ts'

export function declareLooking(program: Command, act: Act): void {
  program.commandsGroup('Look:')
  program
    .command('status')
    .description('tell what the node is, what it serves and what is wrong')
    .action(act(async (context) => (await import('./commands/status.ts')).status(context)))
  program
    .command('ps')
    .description('list loaded models and what they work on')
    .action(act(async (context) => (await import('./commands/ps.ts')).ps(context)))
  program
    .command('trace')
    .description('tell the story of one request')
    .argument('<id>', 'a request id (header x-request-id), or `last`')
    .action(act(async (context, id: string) => (await import('./commands/trace.ts')).trace(context, id)))
  program
    .command('logs')
    .description('print the log of the running node')
    .option('-f, --follow', 'go on until interrupted')
    .option('--tail <number>', 'lines of the past', '200')
    .option('--level <level>', 'the least level: debug, info, warn or error', 'debug')
    .option('--component <name>', 'only of this part')
    .option('--request <id>', 'only of this request')
    .action(act(async (context, options: LogsOptions) => (await import('./commands/logs.ts')).logs(context, options)))
  program
    .command('doctor')
    .description('look for what is wrong with this machine, the configuration and the node')
    .action(act(async (context) => (await import('./commands/doctor.ts')).doctor(context)))
  program
    .command('version')
    .description('print the version')
    .option('--all', 'also of the running node and its parts')
    .action(
      act(async (context, options: { all?: boolean }) =>
        (await import('./commands/version.ts')).version(context, options),
      ),
    )
}
