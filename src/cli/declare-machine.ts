/** Commands that change this machine's node: runtimes, keys, configuration, completion. */
import type { Command } from 'commander'
import type { Act } from './act.ts'
import type { KeysCreateOptions } from './commands/keys-create.ts'
import { declareServices } from './declare-services.ts'

export function declareMachine(program: Command, act: Act): void {
  program.commandsGroup('Set up:')
  declareRuntimes(program, act)
  declareServices(program, act)
  declareKeys(program, act)
  declareConfig(program, act)
  program
    .command('completion')
    .description('print a script that completes commands in your shell')
    .argument('<shell>', 'bash, zsh, fish or powershell')
    .action(
      act(async (context, shell: string) =>
        (await import('./commands/completion.ts')).completion(context, shell, program),
      ),
    )
  program
    .command('complete', { hidden: true })
    .description('print completions, for the scripts of `heddle completion`')
    .argument('[words...]')
    .helpOption(false)
    .allowUnknownOption()
    .action(
      act(async (context, words: string[]) =>
        (await import('./commands/completion.ts')).complete(context, words, program),
      ),
    )
}

function declareRuntimes(program: Command, act: Act): void {
  const runtimes = program
    .command('runtimes')
    .helpCommand(false)
    .alias('runtime')
    .description('inference servers: list, add, test, remove')
  runtimes
    .command('ls', { isDefault: true })
    .description('list the runtimes and how they are')
    .action(act(async (context) => (await import('./commands/runtimes-ls.ts')).runtimesLs(context)))
  runtimes
    .command('add')
    .description('add an OpenAI-compatible server or an Ollama')
    .argument('<url>', 'URL, or openai:<url>, ollama:<url>, script:<model>')
    .option('--key-file <file>', 'file with the API key of that server')
    .option('--id <id>', 'what to call it')
    .action(
      act(async (context, spec: string, options: { keyFile?: string; id?: string }) =>
        (await import('./commands/runtimes-add.ts')).runtimesAdd(context, spec, options),
      ),
    )
  runtimes
    .command('test')
    .description('try a runtime now, step by step')
    .argument('<id>', 'id of a runtime, or a URL to try before adding it')
    .option('--key-file <file>', 'file with the API key of a server that is not added yet')
    .action(
      act(async (context, id: string, options: { keyFile?: string }) =>
        (await import('./commands/runtimes-test.ts')).runtimesTest(context, id, options),
      ),
    )
  runtimes
    .command('remove')
    .alias('rm')
    .description('remove a runtime that was added')
    .argument('<id>')
    .action(
      act(async (context, id: string) => (await import('./commands/runtimes-remove.ts')).runtimesRemove(context, id)),
    )
}

function declareKeys(program: Command, act: Act): void {
  const keys = program.command('keys').helpCommand(false).alias('key').description('API keys: create, list, revoke')
  keys
    .command('create')
    .description('make a key; its secret is printed once')
    .argument('<name>', 'what it is for')
    .option('--scopes <list>', 'of inference, read, admin', 'inference')
    .option('--models <list>', 'only these models; a trailing * stands for any text')
    .option('--rpm <number>', 'requests a minute')
    .option('--tpm <number>', 'tokens a minute')
    .option('--prompt-trust <who>', 'who may read its prompts: self, network or any', 'network')
    .option('--expires <time>', 'how long it lives, e.g. 12h, 30d')
    .action(
      act(async (context, name: string, options: KeysCreateOptions) =>
        (await import('./commands/keys-create.ts')).keysCreate(context, name, options),
      ),
    )
  keys
    .command('ls', { isDefault: true })
    .description('list the keys, without their secrets')
    .action(act(async (context) => (await import('./commands/keys-ls.ts')).keysLs(context)))
  keys
    .command('revoke')
    .description('make a key invalid, at once and for good')
    .argument('<id>', 'as in `heddle keys ls`')
    .action(act(async (context, id: string) => (await import('./commands/keys-revoke.ts')).keysRevoke(context, id)))
}

function declareConfig(program: Command, act: Act): void {
  const config = program
    .command('config')
    .helpCommand(false)
    .description('settings: list, get, set, and where the file is')
  config
    .command('list', { isDefault: true })
    .alias('ls')
    .description('list every setting')
    .option('--show-origin', 'and where its value comes from')
    .action(
      act(async (context, options: { showOrigin?: boolean }) =>
        (await import('./commands/config-list.ts')).configList(context, options),
      ),
    )
  config
    .command('get')
    .description('print one setting')
    .argument('<key>')
    .action(act(async (context, key: string) => (await import('./commands/config-get.ts')).configGet(context, key)))
  config
    .command('set')
    .description('write one setting into the config file; comments stay')
    .argument('<key>')
    .argument('<value>', 'lists are separated by commas')
    .action(
      act(async (context, key: string, value: string) =>
        (await import('./commands/config-set.ts')).configSet(context, key, value),
      ),
    )
  config
    .command('path')
    .description('print the path of the config file')
    .action(act(async (context) => (await import('./commands/config-path.ts')).configPath(context)))
}
