/** This machine's identity as the admin API and the command line show it. */
import { hash } from 'node:crypto'
import type { CertificateView, DeviceView, IdentityView, SignedAction } from '../accounts/identity-actions.ts'
import { HeddleError } from '../core/errors.ts'
import { publicKeyOf } from '../core/identity/peer-id.ts'
import type { UnixMs } from '../core/ids.ts'
import type { DeviceList, IdentityDocument, SignedActionDocument } from '../core/wire/admin-identity.ts'

/** @throws HeddleError `not_found` before the first start of this machine's node */
export function identityDocument(view: IdentityView | undefined): IdentityDocument {
  if (view === undefined) {
    throw new HeddleError('not_found', 'this machine has no identity yet; the first start of its node makes one', {
      fix: 'heddle up',
    })
  }
  const { account, accountKey, accountRotations, device, certificate, endedDevices } = view
  const fingerprint = hash('sha256', publicKeyOf(device), 'hex')
  return {
    schema: 'heddle.identity/v1',
    account,
    accountKey,
    accountRotations,
    device,
    fingerprint,
    certificate: certificate === undefined ? null : certificateDocument(certificate),
    endedDevices,
  }
}

export function deviceList(devices: readonly DeviceView[]): DeviceList {
  return {
    schema: 'heddle.devices/v1',
    devices: devices.map(({ device, isThisDevice, certificate, end }) => ({
      device,
      isThisDevice,
      certificate: certificate === undefined ? null : certificateDocument(certificate),
      end:
        end === undefined
          ? null
          : { endedAt: timeText(end.endedAt), reason: end.reason, successor: end.successor ?? null },
    })),
  }
}

export function signedDocument({ account, device, statements }: SignedAction): SignedActionDocument {
  return { schema: 'heddle.signed/v1', account, device, isNew: statements.length > 0 }
}

function certificateDocument({ roles, serial, notBefore, expiresAt, state, reason }: CertificateView) {
  return { roles: [...roles], serial, notBefore: timeText(notBefore), expiresAt: timeText(expiresAt), state, reason }
}

const timeText = (at: UnixMs): string => new Date(at).toISOString()
