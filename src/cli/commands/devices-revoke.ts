/** `heddle identity devices revoke`: no node accepts a device of the account any more. */
import { revokeLocally } from '../../compose/offline-identity.ts'
import { REVOCATION_REASONS } from '../../core/identity/revocation.ts'
import type { SignedActionDocument } from '../../core/wire/admin-identity.ts'
import type { Context } from '../context.ts'
import { EXIT, type ExitCode } from '../exit-codes.ts'
import { choiceOption } from '../option-values.ts'
import { localConfig, nodeIfAny } from '../this-machine.ts'

export interface DevicesRevokeOptions {
  readonly reason: string
}

export async function devicesRevoke(
  context: Context,
  device: string,
  options: DevicesRevokeOptions,
): Promise<ExitCode> {
  const reason = choiceOption('--reason', options.reason, REVOCATION_REASONS)
  const node = await nodeIfAny(context)
  const path = `/api/v1/identity/devices/${encodeURIComponent(device)}/revoke`
  const signed =
    node === undefined
      ? await revokeLocally(localConfig(context), device, reason)
      : await node.call<SignedActionDocument>('POST', path, { reason }, { signal: context.signal })
  if (context.json) {
    context.document(signed)
    return EXIT.ok
  }
  context.terminal.line(signed.isNew ? `revoked ${signed.device}` : `${signed.device} was revoked already`)
  if (node === undefined) context.terminal.note('the network hears of it when the node starts')
  return EXIT.ok
}
