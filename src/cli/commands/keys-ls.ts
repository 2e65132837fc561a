/** `heddle keys ls`: the keys, without their secrets. */
import type { KeyList, KeyView } from '../../core/wire/admin-accounts.ts'
import type { Context } from '../context.ts'
import { EXIT, type ExitCode } from '../exit-codes.ts'
import { type Column, tableLines } from '../table.ts'

const COLUMNS: readonly Column<KeyView>[] = [
  { title: 'ID', cell: ({ id }) => id },
  { title: 'NAME', cell: ({ name }) => name, shrinks: true },
  { title: 'SECRET', cell: ({ hint }) => `…${hint}` },
  { title: 'STATE', cell: ({ state }) => state },
  { title: 'SCOPES', cell: ({ scopes }) => scopes.join(',') },
  { title: 'MODELS', cell: ({ models }) => models.join(',') || 'all', shrinks: true },
  { title: 'TRUST', cell: ({ promptTrust }) => promptTrust },
  { title: 'RPM', cell: ({ rpm }) => String(rpm ?? '-'), align: 'right' },
  { title: 'TPM', cell: ({ tpm }) => String(tpm ?? '-'), align: 'right' },
  { title: 'EXPIRES', cell: ({ expiresAt }) => expiresAt?.slice(0, 10) ?? '-' },
]

export async function keysLs(context: Context): Promise<ExitCode> {
  const node = await context.node()
  const document = await node.document<KeyList>('/api/v1/keys', 'heddle.keys/v1', { signal: context.signal })
  if (context.json) context.document(document)
  else for (const line of tableLines(COLUMNS, document.keys, context.terminal.width)) context.terminal.line(line)
  return EXIT.ok
}
