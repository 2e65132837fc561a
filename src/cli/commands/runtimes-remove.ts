/** `heddle runtimes remove`: takes out a runtime that was added. */
import type { Removed } from '../../core/wire/admin-models.ts'
import type { Context } from '../context.ts'
import { EXIT, type ExitCode } from '../exit-codes.ts'

export async function runtimesRemove(context: Context, id: string): Promise<ExitCode> {
  const node = await context.node()
  const path = `/api/v1/runtimes/${encodeURIComponent(id)}`
  const { id: removed } = await node.call<Removed>('DELETE', path, undefined, { signal: context.signal })
  if (context.json) context.document({ schema: 'heddle.removed/v1', removed: [removed] })
  else context.terminal.line(`removed ${removed}`)
  return EXIT.ok
}
