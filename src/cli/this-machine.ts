/** Commands about this machine itself: its configuration, whether its node runs, and secrets that are read from files. */
import { readFile } from 'node:fs/promises'
import { type Config, loadConfig } from '../compose/config.ts'
import { HeddleError } from '../core/errors.ts'
import type { ApiClient } from './api-client.ts'
import { asTyped } from './command-name.ts'
import type { Context } from './context.ts'
import { isAlive, readNodeFile } from './find-node.ts'

/** Keys and join files are far shorter. */
const TEXT_BYTES = 1024 * 1024

/** The configuration that this machine's node has, or would have. */
export function localConfig({ env, options }: Context): Config {
  return loadConfig({ env, configFile: options.config })
}

/** The node to ask, where one runs or is named; undefined where the files have to do. */
export async function nodeIfAny(context: Context): Promise<ApiClient | undefined> {
  try {
    return await context.node()
  } catch (error) {
    if (error instanceof HeddleError && error.code === 'daemon_down') return undefined
    throw error
  }
}

/** @throws HeddleError `usage` where another machine's node is named */
export function assertThisMachine({ options, env }: Context): void {
  if (options.host === undefined && !env['HEDDLE_HOST']) return
  throw new HeddleError('usage', 'this acts on the files of this machine, not on a node that is named', {
    param: '--host',
    fix: 'leave out --host and HEDDLE_HOST, on the machine that it is about',
  })
}

/** Says so where a node runs that does not know of a change yet. */
export async function noteRestart({ paths, terminal, env }: Context): Promise<void> {
  const node = await readNodeFile(paths.nodeFile)
  if (node === undefined || !isAlive(node.pid)) return
  const how = 'heddle down && heddle up'
  terminal.note(asTyped(`the node runs on as it began; this holds from its next start: ${how}`, env))
}

/** The text of a file, or of standard input for `-`. @throws HeddleError `usage` where it cannot be read */
export async function readText({ stdin }: Context, path: string, what: string): Promise<string> {
  if (path !== '-') {
    return await readFile(path, 'utf8').catch((cause: unknown) => {
      throw new HeddleError('usage', `cannot read ${what} from ${path}`, { cause })
    })
  }
  let text = ''
  for await (const chunk of stdin) {
    text += String(chunk)
    if (text.length > TEXT_BYTES) throw new HeddleError('usage', `standard input is too long for ${what}`)
  }
  return text
}

/** The passphrase after a flag: the first line of its file. */
export async function readPassphraseFrom(context: Context, flag: string, path: string | undefined): Promise<string> {
  if (path === undefined) {
    throw new HeddleError('usage', `a passphrase is needed: ${flag} <file>, or ${flag} - for standard input`, {
      param: flag,
    })
  }
  const [line = ''] = (await readText(context, path, 'a passphrase')).split(/\r?\n/, 1)
  if (line !== '') return line
  throw new HeddleError('usage', `the first line of ${path === '-' ? 'standard input' : path} is empty`, {
    param: flag,
  })
}
