/** Commands that start, stop and await the node. */
import type { Command } from 'commander'
import type { Act } from './act.ts'
import { addSettingFlags, type SettingOptions } from './setting-flags.ts'

export function declareNode(program: Command, act: Act): void {
  program.commandsGroup('Run a node:')
  addSettingFlags(program.command('serve').description('run a node in the foreground')).action(
    act(async (context, options: SettingOptions) => (await import('./commands/serve.ts')).serve(context, options)),
  )
  addSettingFlags(
    program
      .command('up')
      .description('start a node in the background, unless one runs')
      .option('--wait <time>', 'how long to wait until it can answer', '30s'),
  ).action(act(async (context, options: SettingOptions) => (await import('./commands/up.ts')).up(context, options)))
  program
    .command('down')
    .description('stop the node of this machine')
    .option('--now', 'do not let running requests finish')
    .option('--wait <time>', 'how long to wait until it has ended', '45s')
    .action(
      act(async (context, options: { now?: boolean; wait: string }) =>
        (await import('./commands/down.ts')).down(context, options),
      ),
    )
  program
    .command('wait')
    .description('return once the node can answer')
    .option('--for <what>', '`ready`, `model=<id>` or `nodes=<number>`', 'ready')
    .option('--timeout <time>', 'give up after this time', '60s')
    .action(
      act(async (context, options: { for: string; timeout: string }) =>
        (await import('./commands/wait.ts')).waitFor(context, options),
      ),
    )
}
