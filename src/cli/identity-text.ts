/** Certificates and devices as people read them. */
import type { DeviceDocument, IdentityDocument } from '../core/wire/admin-identity.ts'
import type { Column } from './table.ts'

type Certificate = NonNullable<IdentityDocument['certificate']>

/** `valid until 2026-04-01`, or why not. */
export function certificateText({ state, reason, expiresAt }: Certificate): string {
  return state === 'valid' ? `valid until ${dateText(expiresAt)}` : `${state.replaceAll('_', ' ')}: ${reason}`
}

export const dateText = (timestamp: string): string => timestamp.slice(0, 10)

const ACCOUNT_KEYS: Readonly<Record<IdentityDocument['accountKey'], string>> = {
  here: 'on this machine',
  sealed: 'on this machine, under a passphrase',
  absent: 'not on this machine',
}

export function identityFacts(identity: IdentityDocument): readonly (readonly [string, string | null])[] {
  const { certificate } = identity
  return [
    ['account', identity.account],
    ['account key', ACCOUNT_KEYS[identity.accountKey]],
    ['key changes', identity.accountRotations === 0 ? null : String(identity.accountRotations)],
    ['device', identity.device],
    ['fingerprint', identity.fingerprint],
    ['certificate', certificate === null ? 'none yet' : certificateText(certificate)],
    ['roles', certificate === null ? null : certificate.roles.join(', ')],
    ['ended devices', identity.endedDevices === 0 ? null : String(identity.endedDevices)],
  ]
}

export const DEVICE_COLUMNS: readonly Column<DeviceDocument>[] = [
  { title: '  DEVICE', cell: ({ device, isThisDevice }) => `${isThisDevice ? '*' : '-'} ${device}` },
  { title: 'STATE', cell: stateText, shrinks: true },
  { title: 'SUCCESSOR', cell: ({ end }) => end?.successor ?? '-' },
]

function stateText({ certificate, end }: DeviceDocument): string {
  if (end !== null)
    return `${end.reason === 'rotated' ? 'rotated' : `revoked (${end.reason})`} ${dateText(end.endedAt)}`
  return certificate === null ? 'unknown' : certificateText(certificate)
}
