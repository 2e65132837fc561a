/** `heddle serve`: a node in the foreground, until a signal or `heddle down` ends it. */
import { type Config, loadConfig } from '../../compose/config.ts'
import { type RunningNode, startNode } from '../../compose/start-node.ts'
import { HeddleError } from '../../core/errors.ts'
import { asTyped } from '../command-name.ts'
import type { Context } from '../context.ts'
import { EXIT, type ExitCode } from '../exit-codes.ts'
import { isAlive, readNodeFile } from '../find-node.ts'
import { httpCall } from '../http-call.ts'
import { flagsOf, type SettingOptions } from '../setting-flags.ts'
import { welcomeLines } from '../welcome.ts'

/** The first words are printed when a model is ready, or after this. */
const SERVING_WITHIN_MS = 15_000
/** Another node of the same folders answers this fast or not at all. */
const OTHER_NODE_WITHIN_MS = 1_000

export async function serve(context: Context, options: SettingOptions): Promise<ExitCode> {
  const config = loadConfig({ flags: flagsOf(options), env: context.env, configFile: context.options.config })
  await assertAlone(config)
  await using node = await startNode(config, { signal: context.signal })
  // A node that is told to stop before it serves stops; it does not go on waiting for a model.
  const ended = new AbortController()
  const waiting = AbortSignal.any([context.signal, ended.signal])
  const stop = node.stopRequested.then((how) => {
    ended.abort()
    return how
  })
  await node.untilServing({ timeoutMs: SERVING_WITHIN_MS, signal: waiting }).catch((error: unknown) => {
    if (!waiting.aborted) throw error
  })
  if (!waiting.aborted) announce(context, config, node)
  const { now } = await Promise.race([stop, interrupted(context.signal)])
  if (!now) await node.drain()
  return EXIT.ok
}

/** Two nodes on one state would take each other's files. */
async function assertAlone({ paths }: Config): Promise<void> {
  const other = await readNodeFile(paths.nodeFile)
  if (other === undefined || other.pid === process.pid || !isAlive(other.pid)) return
  const signal = AbortSignal.timeout(OTHER_NODE_WITHIN_MS)
  const answer = await httpCall({ method: 'GET', url: `${other.url}/livez`, key: undefined, signal }).catch(
    () => undefined,
  )
  if (answer === undefined) return // a file that a killed node left, with a process id that was given away again
  answer.resume()
  throw new HeddleError('conflict', `a node runs already with these folders (pid ${other.pid}, ${other.url})`, {
    fix: 'heddle down\nor give this one folders of its own with HEDDLE_HOME',
  })
}

function interrupted(signal: AbortSignal): Promise<{ readonly now: boolean }> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve({ now: false })
    else signal.addEventListener('abort', () => resolve({ now: false }), { once: true })
  })
}

function announce(context: Context, config: Config, node: RunningNode): void {
  const models = node.models()
  const { url, keyFile } = node
  if (context.json) {
    context.document({ schema: 'heddle.serve/v1', pid: process.pid, url, keyFile, models, demoOnly: node.demoOnly() })
    return
  }
  for (const line of welcomeLines({
    url,
    keyFile,
    models,
    demoOnly: node.demoOnly(),
    authRequired: config.authRequired,
  })) {
    context.terminal.line(asTyped(line, context.env))
  }
}
