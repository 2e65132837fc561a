/** `heddle completion`: scripts for the shells, and the answers that they ask for while somebody types. */
import { type ArgumentHandler, RootCommand } from '@bomb.sh/tab'
import type { Command } from 'commander'
import { SETTING_KEYS } from '../../compose/settings.ts'
import type { KeyList } from '../../core/wire/admin-accounts.ts'
import type { NodeList } from '../../core/wire/admin-mesh.ts'
import type { ModelList, RuntimeList } from '../../core/wire/admin-models.ts'
import type { ApiClient } from '../api-client.ts'
import type { Context } from '../context.ts'
import { EXIT, type ExitCode } from '../exit-codes.ts'
import { choiceOption } from '../option-values.ts'

const SHELLS = ['bash', 'zsh', 'fish', 'powershell'] as const
/** Nobody who types waits longer; without an answer only words known beforehand are offered. */
const ANSWER_WITHIN_MS = 200

export async function completion(_context: Context, shell: string, program: Command): Promise<ExitCode> {
  rootOf(program, new Map()).setup('heddle', 'heddle', choiceOption('completion', shell, SHELLS))
  return EXIT.ok
}

/** Prints what may come after `words`, in the form that the scripts read. */
export async function complete(context: Context, words: readonly string[], program: Command): Promise<ExitCode> {
  rootOf(program, await valuesFor(context, words)).parse([...words])
  return EXIT.ok
}

/** Values of arguments by command and argument, e.g. `run model`. */
type Values = ReadonlyMap<string, readonly string[]>

function rootOf(program: Command, values: Values): RootCommand {
  const root = new RootCommand()
  addOptions(root, program)
  const add = (command: Command, prefix: string): void => {
    for (const each of command.createHelp().visibleCommands(command)) {
      const path = prefix === '' ? each.name() : `${prefix} ${each.name()}`
      const target = root.command(path, each.description())
      addOptions(target, each)
      for (const argument of each.registeredArguments) {
        const known = values.get(`${path} ${argument.name()}`) ?? []
        const handler: ArgumentHandler = (offer) => {
          for (const value of known) offer(value, '')
        }
        target.argument(argument.name(), handler, argument.variadic)
      }
      add(each, path)
    }
  }
  add(program, '')
  return root
}

function addOptions(
  target: InstanceType<typeof RootCommand> | ReturnType<RootCommand['command']>,
  command: Command,
): void {
  for (const { long, short, description, required, optional } of command.createHelp().visibleOptions(command)) {
    if (!long) continue
    const name = long.slice(2)
    const alias = short?.slice(1)
    if (!required && !optional) target.option(name, description, alias)
    else if (alias === undefined) target.option(name, description, () => {})
    else target.option(name, description, () => {}, alias)
  }
}

async function valuesFor(context: Context, words: readonly string[]): Promise<Values> {
  const [noun, verb] = words
  const keys = [...SETTING_KEYS]
  if (noun === 'config')
    return new Map([
      ['config get key', keys],
      ['config set key', keys],
    ])
  if (noun === 'completion') return new Map([['completion shell', SHELLS]])
  const signal = AbortSignal.any([context.signal, AbortSignal.timeout(ANSWER_WITHIN_MS)])
  try {
    const node = await context.node()
    if (noun === 'run' || noun === 'models') return await modelValues(node, signal)
    if (noun === 'nodes' || noun === 'ping') return await nodeValues(node, signal)
    if (noun === 'runtimes') return await runtimeValues(node, signal)
    if (noun === 'keys' && verb === 'revoke') return await keyValues(node, signal)
    return noun === 'trace' ? new Map([['trace id', ['last']]]) : new Map()
  } catch {
    return new Map() // no node, or none that answers in time: nothing to offer, and nothing to say at a prompt
  }
}

async function modelValues(node: ApiClient, signal: AbortSignal): Promise<Values> {
  const { models } = await node.document<ModelList>('/api/v1/models', 'heddle.models/v1', { signal })
  const ready = models.filter(({ state }) => state === 'ready').map(({ id }) => id)
  const own = models.filter(({ file }) => file !== null).map(({ id }) => id)
  return new Map([
    ['run model', ready],
    ['models show id', models.map(({ id }) => id)],
    ['models rm ids', own],
  ])
}

async function runtimeValues(node: ApiClient, signal: AbortSignal): Promise<Values> {
  const { runtimes } = await node.document<RuntimeList>('/api/v1/runtimes', 'heddle.runtimes/v1', { signal })
  const ids = runtimes.map(({ id }) => id)
  return new Map([
    ['runtimes test id', ids],
    ['runtimes remove id', ids],
  ])
}

async function nodeValues(node: ApiClient, signal: AbortSignal): Promise<Values> {
  const { nodes } = await node.document<NodeList>('/api/v1/nodes', 'heddle.nodes/v1', { signal })
  const others = nodes.filter(({ connector }) => connector !== 'local').map(({ name }) => name)
  return new Map([
    ['nodes show node', nodes.map(({ name }) => name)],
    ['ping node', others],
  ])
}

async function keyValues(node: ApiClient, signal: AbortSignal): Promise<Values> {
  const { keys } = await node.document<KeyList>('/api/v1/keys', 'heddle.keys/v1', { signal })
  return new Map([['keys revoke id', keys.filter(({ state }) => state === 'active').map(({ id }) => id)]])
}
