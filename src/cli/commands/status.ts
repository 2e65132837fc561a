/** `heddle status`: what the node is, what it serves and what is wrong; exit 3 when none runs. */

import { HeddleError } from '../../core/errors.ts'
import type { Status } from '../../core/wire/admin.ts'
import type { Context } from '../context.ts'
import { EXIT, type ExitCode } from '../exit-codes.ts'
import { healthLines, statusLines } from '../node-report.ts'
import { ownVersion } from '../own-version.ts'

export async function status(context: Context): Promise<ExitCode> {
  const { terminal, signal } = context
  let document: Status
  try {
    const node = await context.node()
    document = await node.document<Status>('/api/v1/status', 'heddle.status/v1', { signal })
  } catch (error) {
    if (!(error instanceof HeddleError) || error.code !== 'daemon_down') throw error
    return stopped(context, error)
  }
  if (context.json) context.document(document)
  else for (const line of statusLines(document, context)) terminal.line(line)
  return EXIT.ok
}

/** The same fields as a running node's, so that scripts need no second form. */
function stopped(context: Context, { message, details }: HeddleError): ExitCode {
  const health = [{ code: 'daemon_down', severity: 'error' as const, message, fix: details.fix ?? null }]
  if (context.json) {
    context.document({
      schema: 'heddle.status/v1',
      state: 'stopped',
      health,
      node: { id: '', name: '', fingerprint: '' },
      http: { url: '' },
      mesh: { addresses: [], mode: null, state: 'off', peers: { direct: 0, circuit: 0 } },
      network: { id: '', name: '' },
      nodes: [],
      version: ownVersion(),
      startedAt: null,
      runtimes: [],
      models: 0,
    })
    return EXIT.daemonDown
  }
  context.terminal.line(`  ${context.terminal.paint('red', 'stopped')}`)
  context.terminal.line()
  for (const line of healthLines(health, context)) context.terminal.line(line)
  return EXIT.daemonDown
}
