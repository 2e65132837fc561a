/** The keys that exist without anyone asking: the first inference key, and the one by which the CLI administers this node. */

import type { ApiKeys } from '../accounts/api-keys.ts'
import { readSecretFile, writeSecretFile } from '../adapters/system/secret-file.ts'
import { DEFAULT_PROMPT_TRUST } from '../core/routing/prompt-trust.ts'
import type { Clock } from '../ports/clock.ts'
import type { Scope } from '../ports/key-store.ts'
import type { Paths } from './paths.ts'

/** Makes the two key files where they are missing or their key is no longer valid; their secrets are shown nowhere else. */
export async function openKeys(
  deps: { readonly keys: ApiKeys; readonly clock: Clock },
  paths: Pick<Paths, 'defaultKeyFile' | 'adminKeyFile'>,
): Promise<void> {
  await ensureKeyFile(deps, paths.defaultKeyFile, 'default', ['inference', 'read'])
  await ensureKeyFile(deps, paths.adminKeyFile, 'cli', ['inference', 'read', 'admin'])
}

async function ensureKeyFile(
  { keys, clock }: { readonly keys: ApiKeys; readonly clock: Clock },
  path: string,
  name: string,
  scopes: readonly Scope[],
): Promise<void> {
  const stored = await readSecretFile(path)
  if (stored !== undefined) {
    const verdict = await keys.verify(stored, clock.now())
    // A key that somebody revoked stays revoked: making another would undo that.
    if (verdict.kind !== 'unknown') return
  }
  const { secret } = await keys.create({
    name,
    scopes,
    models: [],
    requestsPerMinute: undefined,
    tokensPerMinute: undefined,
    promptTrust: DEFAULT_PROMPT_TRUST,
    expiresAt: undefined,
  })
  await writeSecretFile(path, secret)
}
