/** Puts the keys of this machine under a passphrase, or takes it off. */
import { HeddleError } from '../core/errors.ts'
import type { KeyName } from '../ports/identity-store.ts'
import type { IdentityDeps } from './own-certificate.ts'

const KEYS: readonly KeyName[] = ['account', 'device']

/**
 * The names of the keys that were written anew; a crash leaves each of them whole, sealed or not.
 * @throws HeddleError `usage` without a passphrase or with one too short, `wrong_passphrase`, `not_found` where there are no keys
 */
export async function sealKeys(
  { store }: Pick<IdentityDeps, 'store'>,
  { passphrase, isSealed }: { readonly passphrase: string | undefined; readonly isSealed: boolean },
): Promise<readonly KeyName[]> {
  if (passphrase === undefined) {
    throw new HeddleError('usage', 'no passphrase is configured', {
      fix: 'heddle config set identity.passphrase_file <file>\nor set HEDDLE_PASSPHRASE',
    })
  }
  const changed: KeyName[] = []
  let found = 0
  for (const name of KEYS) {
    const description = await store.describe(name)
    if (description === undefined) continue
    found += 1
    if (description.isSealed === isSealed) continue
    const seed = await store.open(name, { passphrase })
    if (seed === undefined) continue
    await store.write(name, seed, { passphrase: isSealed ? passphrase : undefined })
    changed.push(name)
  }
  if (found > 0) return changed
  throw new HeddleError('not_found', 'this machine has no keys yet; the first start of its node makes them', {
    fix: 'heddle up',
  })
}
