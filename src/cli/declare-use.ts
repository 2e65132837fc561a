/** Commands that use models: asking them, and pointing other programs at the node. */
import type { Command } from 'commander'
import type { Act } from './act.ts'
import type { RunOptions } from './commands/run.ts'

export function declareUse(program: Command, act: Act): void {
  program.commandsGroup('Use models:')
  program
    .command('run')
    .description('ask a model: once with a prompt or a pipe, else in a conversation')
    .argument('<model>', 'id of a model, see `heddle models`')
    .argument('[prompt...]', 'what to ask; text from a pipe is added to it')
    .option('--system <text>', 'system message')
    .option('--temperature <number>', 'chance in the answer; 0 for none')
    .option('--max-tokens <number>', 'the most tokens to answer')
    .option('--seed <number>', 'the same answer again, where the runtime can')
    .option('--format <format>', 'text, json, or a file with a JSON schema', 'text')
    .option('--stats', 'print time and tokens after each answer')
    .action(
      act(async (context, model: string, prompt: string[], options: RunOptions) =>
        (await import('./commands/run.ts')).run(context, model, prompt, options),
      ),
    )
  program
    .command('env')
    .description('print OPENAI_BASE_URL and OPENAI_API_KEY for a shell to read')
    .option('--shell <shell>', 'sh, fish or powershell')
    .action(
      act(async (context, options: { shell?: string }) => (await import('./commands/env.ts')).env(context, options)),
    )

  const models = program
    .command('models')
    .helpCommand(false)
    .alias('model')
    .description('models: list, show, pull, remove')
  models
    .command('ls', { isDefault: true })
    .description('list the models that are or were here')
    .action(act(async (context) => (await import('./commands/models-ls.ts')).modelsLs(context)))
  models
    .command('show')
    .description('tell all about one model')
    .argument('<id>')
    .action(act(async (context, id: string) => (await import('./commands/models-show.ts')).modelsShow(context, id)))
  models
    .command('pull')
    .description('fetch a GGUF file into the models folder; goes on where it stopped')
    .argument('<ref>', 'URL, or a file of this machine')
    .option('--name <id>', 'what to call the model')
    .option('--sha256 <hex>', 'what the file must hash to')
    .action(
      act(async (context, ref: string, options: { name?: string; sha256?: string }) =>
        (await import('./commands/models-pull.ts')).modelsPull(context, ref, options),
      ),
    )
  models
    .command('rm')
    .description('delete models from the models folder')
    .argument('<ids...>')
    .action(act(async (context, ids: string[]) => (await import('./commands/models-rm.ts')).modelsRm(context, ids)))
}
