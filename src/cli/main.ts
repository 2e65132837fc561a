/** The program `heddle`: `node src/cli/main.ts`, or `bin/heddle.js` in a published package. */
import { enableCompileCache } from 'node:module'
import { join } from 'node:path'
import { pathsOf } from '../compose/paths.ts'
import { Interruption } from './interruption.ts'
import { ownVersion } from './own-version.ts'

/** What must not keep an ended command alive gets this long to let go. */
const LINGER_MS = 2_000

export async function main(args: readonly string[]): Promise<void> {
  // Shells and scripts ask for this often, so it loads nothing else.
  if (args.length === 1 && (args[0] === '--version' || args[0] === '-V')) {
    process.stdout.write(`${ownVersion()}\n`)
    return
  }
  const controller = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () => {
      // The first asks to end, the second does not ask.
      if (controller.signal.aborted) process.exit(signal === 'SIGINT' ? 130 : 143)
      controller.abort(new Interruption(signal))
    })
  }
  // `heddle logs | head` closes our output: there is nobody left to tell anything.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1))
  // Compiled once and kept: a third less time for every later command.
  enableCompileCache(join(pathsOf({ env: process.env }).cache, 'compiled'))
  const { runCli } = await import('./run-cli.ts')
  const { stdin, stdout, stderr, env } = process
  process.exitCode = await runCli(args, { stdin, stdout, stderr, env, signal: controller.signal })
  setTimeout(() => process.exit(), LINGER_MS).unref()
}

await main(process.argv.slice(2))
