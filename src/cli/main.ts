/** The program `heddle`: `node src/cli/main.ts`, or `bin/heddle.js` in a published package. */
import { enableCompileCache } from 'node:module'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { pathsOf } from '../compose/paths.ts'
import { Interruption } from './interruption.ts'
import { ownVersion } from './own-version.ts'

/** A reader that takes nothing holds up the end this long. */
const UNREAD_MS = 2_000

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
  if (paysOff(args)) enableCompileCache(join(pathsOf({ env: process.env }).cache, 'compiled'))
  const { runCli } = await import('./run-cli.ts')
  const { stdin, stdout, stderr, env } = process
  process.exitCode = await runCli(args, { stdin, stdout, stderr, env, signal: controller.signal })
  await Promise.race([Promise.all([stdout, stderr].map(written)), sleep(UNREAD_MS)])
  // Everything of ours is disposed; packages leave timers behind that would keep the process for seconds.
  process.exit()
}

/** A node keeps what it reads from the cache in memory, 14 MB of it, to save 0.2 s once; sources have to be made JavaScript besides. */
function paysOff(args: readonly string[]): boolean {
  return !args.includes('serve') || import.meta.url.endsWith('.ts')
}

/** Resolves when the stream has passed on what it was given, or cannot any more. */
function written(stream: NodeJS.WriteStream): Promise<void> {
  return new Promise((resolve) => {
    stream.write('', () => resolve())
  })
}

await main(process.argv.slice(2))
