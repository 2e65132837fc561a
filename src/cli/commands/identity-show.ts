/** `heddle identity show`: the account and the device of this machine, and how its certificate is. */
import { showLocalIdentity } from '../../compose/offline-identity.ts'
import type { IdentityDocument } from '../../core/wire/admin-identity.ts'
import type { Context } from '../context.ts'
import { EXIT, type ExitCode } from '../exit-codes.ts'
import { factLines } from '../facts.ts'
import { identityFacts } from '../identity-text.ts'
import { localConfig, nodeIfAny } from '../this-machine.ts'

export async function identityShow(context: Context): Promise<ExitCode> {
  const { signal, terminal } = context
  const node = await nodeIfAny(context)
  const identity =
    node === undefined
      ? await showLocalIdentity(localConfig(context))
      : await node.document<IdentityDocument>('/api/v1/identity', 'heddle.identity/v1', { signal })
  if (context.json) context.document(identity)
  else for (const line of factLines(identityFacts(identity))) terminal.line(line)
  return EXIT.ok
}
