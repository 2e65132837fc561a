/** `heddle keys revoke`: makes a key invalid, at once and for good. */
import type { Removed } from '../../core/wire/admin-models.ts'
import type { Context } from '../context.ts'
import { EXIT, type ExitCode } from '../exit-codes.ts'

export async function keysRevoke(context: Context, id: string): Promise<ExitCode> {
  const node = await context.node()
  const path = `/api/v1/keys/${encodeURIComponent(id)}`
  const { id: revoked } = await node.call<Removed>('DELETE', path, undefined, { signal: context.signal })
  if (context.json) context.document({ schema: 'heddle.removed/v1', removed: [revoked] })
  else context.terminal.line(`revoked ${revoked}`)
  return EXIT.ok
}
