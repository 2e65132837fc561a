/** What the admin API does with the identity of the running node. */
import { listDevices, revokeDevice, showIdentity } from '../accounts/identity-actions.ts'
import { HeddleError } from '../core/errors.ts'
import { parsePeerId } from '../core/identity/peer-id.ts'
import type { NodeId } from '../core/ids.ts'
import type { IdentityAdmin } from '../http/admin/deps.ts'
import { deviceList, identityDocument, signedDocument } from './identity-views.ts'
import type { MeshParts } from './mesh-parts.ts'
import type { Identity } from './open-identity.ts'

export interface IdentityAdminDeps {
  readonly identity: Pick<Identity, 'deps'>
  /** Opens the account's key where it is sealed. */
  readonly passphrase: () => Promise<string | undefined>
  /** Undefined without a mesh. */
  readonly mesh: () => Pick<MeshParts, 'membership' | 'announce'> | undefined
}

export function identityAdminOf({ identity, passphrase, mesh }: IdentityAdminDeps): IdentityAdmin {
  const certificates = (): readonly Uint8Array[] =>
    mesh()
      ?.membership.registry.table.all()
      .map(({ record }) => record.certificate) ?? []
  return {
    show: async () => identityDocument(await showIdentity(identity.deps)),
    devices: async () => deviceList(await listDevices(identity.deps, certificates())),
    revoke: async (device, { reason }) => {
      const action = await revokeDevice(identity.deps, deviceOf(device), { reason, passphrase: await passphrase() })
      if (action.statements.length > 0) mesh()?.announce(action.statements)
      return signedDocument(action)
    },
  }
}

/** @throws HeddleError `invalid_request` where `text` is no id of a device */
export function deviceOf(text: string): NodeId {
  const device = parsePeerId(text)
  if (device !== undefined) return device
  throw new HeddleError('invalid_request', `"${text}" is no id of a device, such as 12D3KooW…`, {
    param: 'device',
    fix: 'heddle identity devices ls',
  })
}
