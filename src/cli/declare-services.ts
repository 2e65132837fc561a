/** Commands about services: any HTTP service of this machine, offered by name. */
import type { Command } from 'commander'
import type { Act } from './act.ts'
import type { ServicesAddOptions } from './commands/services-add.ts'

export function declareServices(program: Command, act: Act): void {
  const services = program
    .command('services')
    .helpCommand(false)
    .alias('service')
    .description('HTTP services offered by name: list, add, test, remove')
  services
    .command('ls', { isDefault: true })
    .description('list the services of this node and of the others')
    .action(act(async (context) => (await import('./commands/services-ls.ts')).servicesLs(context)))
  services
    .command('add')
    .description('offer the HTTP service at a URL under a name')
    .argument('<name>', 'what clients ask for: /v1/service/<name>/…')
    .argument('<url>', 'where requests go, e.g. http://127.0.0.1:9000')
    .option('--group <group>', 'key=value, key=* or all; may be given several times', collect)
    .option('--instance <name>', 'tells several of one name apart')
    .option('--capacity <number>', 'requests that it works on at once')
    .option('--paths <list>', 'only these paths and what lies below them')
    .option('--health <path>', 'a path that answers 2xx while it is well')
    .action(
      act(async (context, name: string, url: string, options: ServicesAddOptions) =>
        (await import('./commands/services-add.ts')).servicesAdd(context, name, url, options),
      ),
    )
  services
    .command('test')
    .description('try a service now')
    .argument('<service>', 'name or name/instance, or a URL to try before adding it')
    .option('--health <path>', 'with a URL: a path that must answer 2xx')
    .action(
      act(async (context, id: string, options: { health?: string }) =>
        (await import('./commands/services-test.ts')).servicesTest(context, id, options),
      ),
    )
  services
    .command('remove')
    .alias('rm')
    .description('take a service back')
    .argument('<service>', 'name, or name/instance')
    .action(
      act(async (context, id: string) => (await import('./commands/services-remove.ts')).servicesRemove(context, id)),
    )
}

function collect(value: string, before: readonly string[] = []): readonly string[] {
  return [...before, value]
}
