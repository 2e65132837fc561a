/** `heddle models rm`: deletes models from the models folder. */
import type { Removed } from '../../core/wire/admin-models.ts'
import type { Context } from '../context.ts'
import { EXIT, type ExitCode } from '../exit-codes.ts'

export async function modelsRm(context: Context, ids: readonly string[]): Promise<ExitCode> {
  const node = await context.node()
  const removed: string[] = []
  for (const id of ids) {
    const answer = await node.call<Removed>('DELETE', `/api/v1/models/${encodeURIComponent(id)}`, undefined, {
      signal: context.signal,
    })
    removed.push(answer.id)
    if (!context.json) context.terminal.line(`removed ${answer.id}`)
  }
  if (context.json) context.document({ schema: 'heddle.removed/v1', removed })
  return EXIT.ok
}
