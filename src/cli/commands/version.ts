/** `heddle version`: of this program, and with `--all` of the running node and its parts. */
import { HeddleError } from '../../core/errors.ts'
import type { VersionView } from '../../core/wire/admin.ts'
import type { Context } from '../context.ts'
import { EXIT, type ExitCode } from '../exit-codes.ts'
import { factLines } from '../facts.ts'
import { ownVersion } from '../own-version.ts'

export async function version(context: Context, { all = false }: { readonly all?: boolean }): Promise<ExitCode> {
  const own = { version: ownVersion(), node: process.version, platform: `${process.platform}-${process.arch}` }
  const daemon = all ? await daemonVersion(context) : undefined
  if (context.json)
    context.document({ schema: 'heddle.version/v1', ...own, ...(all ? { daemon: daemon ?? null } : {}) })
  else if (!all) context.terminal.line(own.version)
  else {
    const facts: [string, string | null][] = [
      ['heddle', own.version],
      ['Node.js', own.node],
      ['platform', own.platform],
      ['running node', daemon?.version ?? 'none'],
    ]
    if (daemon !== undefined)
      facts.push(
        ['its Node.js', daemon.node],
        ...Object.entries(daemon.parts).map(([name, text]): [string, string] => [`its ${name}`, text]),
      )
    for (const line of factLines(facts)) context.terminal.line(line)
  }
  return EXIT.ok
}

async function daemonVersion(context: Context): Promise<VersionView | undefined> {
  try {
    const node = await context.node()
    return await node.document<VersionView>('/api/v1/version', 'heddle.version/v1', { signal: context.signal })
  } catch (error) {
    if (error instanceof HeddleError && error.code === 'daemon_down') return undefined
    throw error
  }
}
