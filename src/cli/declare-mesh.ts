/** Commands about the network around the node: who is in it, how they are reached, and who would be asked. */
import type { Command } from 'commander'
import type { Act } from './act.ts'
import type { ExplainOptions } from './commands/explain.ts'
import type { NodesLsOptions } from './commands/nodes-ls.ts'
import type { PingOptions } from './commands/ping.ts'

export function declareMesh(program: Command, act: Act): void {
  program.commandsGroup('Network:')
  declareNodes(program, act)
  declarePeers(program, act)
  program
    .command('ping')
    .description('measure the way to a node: its path, and how long an answer takes')
    .argument('<node>', 'name, id or fingerprint of a node, or the beginning of one')
    .option('--layer <layer>', 'path: a frame; http: a request to it; inference: one token of a model', 'path')
    .option('-c, --count <number>', 'pings; by default 4, or 1 for inference')
    .option('--interval <time>', 'pause between two', '1s')
    .action(
      act(async (context, node: string, options: PingOptions) =>
        (await import('./commands/ping.ts')).ping(context, node, options),
      ),
    )
  program
    .command('netcheck')
    .description('tell how the node is connected and what would mend it')
    .action(act(async (context) => (await import('./commands/netcheck.ts')).netcheck(context)))
  program
    .command('explain')
    .description('tell who would serve a model, in which order, and who not and why; asks nobody')
    .requiredOption('--model <id>', 'id of a model, see `heddle models`')
    .option('--endpoint <endpoint>', 'chat, completions or embeddings', 'chat')
    .option('--prompt-trust <who>', 'as of a key: self, network or any', 'network')
    .action(
      act(async (context, options: ExplainOptions) =>
        (await import('./commands/explain.ts')).explain(context, options),
      ),
    )
}

function declareNodes(program: Command, act: Act): void {
  const nodes = program
    .command('nodes')
    .helpCommand(false)
    .alias('node')
    .description('nodes of the network: list, show')
  nodes
    .command('ls', { isDefault: true })
    .description('list the nodes of the network')
    .option('--model <id>', 'only those that serve this model')
    .action(
      act(async (context, options: NodesLsOptions) =>
        (await import('./commands/nodes-ls.ts')).nodesLs(context, options),
      ),
    )
  nodes
    .command('show')
    .description('tell all about one node')
    .argument('<node>', 'its name, id or fingerprint, or the beginning of one')
    .action(act(async (context, node: string) => (await import('./commands/nodes-show.ts')).nodesShow(context, node)))
}

function declarePeers(program: Command, act: Act): void {
  const peers = program.command('peers').helpCommand(false).alias('peer').description('connected peers: list, connect')
  peers
    .command('ls', { isDefault: true })
    .description('list the peers that are connected now')
    .action(act(async (context) => (await import('./commands/peers-ls.ts')).peersLs(context)))
  peers
    .command('connect')
    .description('dial a peer')
    .argument('<multiaddr>', 'e.g. /ip4/192.168.1.20/tcp/11441')
    .action(
      act(async (context, address: string) =>
        (await import('./commands/peers-connect.ts')).peersConnect(context, address),
      ),
    )
}
