/** What is wrong with the mesh of this node, in sentences, each with what mends it. */
import { limit } from '../core/limits.ts'
import type { HealthItem } from '../core/wire/admin.ts'
import type { MembershipView } from '../membership/membership.ts'
import type { MeshParts } from './mesh-parts.ts'

const MS_PER_SECOND = 1_000
const MS_PER_MINUTE = 60_000
/** Rounds without an answer before it is more than a slow start. */
const FAILED_ROUNDS = 2

export function meshHealth(mesh: MeshParts): readonly HealthItem[] {
  const view = mesh.membership.view()
  return [
    ...connectionItems(mesh, view),
    ...clockItems(view),
    ...peerItems(mesh, view),
    ...recordItems(mesh, view),
    ...credentialItems(mesh),
  ]
}

function connectionItems({ mode, netFacts }: MeshParts, { peers, bootstrap }: MembershipView): readonly HealthItem[] {
  if (peers > 0) return []
  if (bootstrap.failedRounds >= FAILED_ROUNDS || (bootstrap.failedRounds > 0 && bootstrap.reason !== '')) {
    const tried = triedText(bootstrap)
    const why = bootstrap.reason === '' ? '' : `: ${bootstrap.reason}`
    return [
      item(
        'bootstrap_unreachable',
        mode === 'local' ? 'info' : 'warning',
        `no bootstrap answers (${tried})${why}; it goes on trying`,
        mode === 'local' ? null : 'heddle netcheck',
      ),
    ]
  }
  if (mode === 'local') return []
  return [
    item(
      'no_peers',
      'warning',
      bootstrap.addresses === 0
        ? `no other node is connected, and no bootstrap is configured${netFacts().mdns ? ': only nodes of this LAN can be found' : ''}`
        : 'no other node is connected yet',
      bootstrap.addresses === 0 ? 'heddle config set bootstrap <multiaddr|url>' : 'heddle netcheck',
    ),
  ]
}

/** `1 address, tried once`; without addresses where the list of them cannot be had. */
function triedText({ addresses, failedRounds }: MembershipView['bootstrap']): string {
  const times = failedRounds === 1 ? 'tried once' : `tried ${failedRounds} times`
  return addresses === 0 ? times : `${addresses} ${addresses === 1 ? 'address' : 'addresses'}, ${times}`
}

/** A clock that is far off keeps the records of this node from being taken; one that is a little off only slows that down. */
function clockItems({ clockSkewMs }: MembershipView): readonly HealthItem[] {
  if (clockSkewMs === undefined || Math.abs(clockSkewMs) <= limit('freshClockMs')) return []
  const isFar = Math.abs(clockSkewMs) > limit('clockToleranceMs')
  const side = clockSkewMs > 0 ? 'behind' : 'ahead of'
  const effect = isFar ? 'which therefore refuse its records' : 'which therefore believe it late'
  return [
    item(
      'clock_off',
      isFar ? 'error' : 'warning',
      `the clock of this machine is ${spanText(Math.abs(clockSkewMs))} ${side} those of its peers, ${effect}`,
      process.platform === 'darwin' ? 'sudo sntp -sS time.apple.com' : 'sudo timedatectl set-ntp true',
    ),
  ]
}

/** Peers of another network or version; where our own clock is at fault, that is said instead. */
function peerItems({ membership, connections }: MeshParts, { clockSkewMs }: MembershipView): readonly HealthItem[] {
  if (Math.abs(clockSkewMs ?? 0) > limit('clockToleranceMs')) return []
  const objections = connections.peers().flatMap((peer) => membership.objectionToPeer(peer) ?? [])
  const [first] = objections
  if (first === undefined) return []
  const more = objections.length > 1 ? ` (and ${objections.length - 1} more such peers)` : ''
  return [
    item('peer_refused', 'warning', `nothing is exchanged with a connected peer: ${first}${more}`, 'heddle peers ls'),
  ]
}

function recordItems({ membership, objectionTo }: MeshParts, { omittedModels }: MembershipView): readonly HealthItem[] {
  const items: HealthItem[] = []
  const own = membership.registry.table.get(membership.self)
  const objection = own === undefined ? undefined : objectionTo(own.record)
  if (objection !== undefined)
    items.push(item('record_refused', 'error', `other nodes refuse this one: ${objection}`, 'heddle identity show'))
  if (omittedModels > 0) {
    const what = omittedModels === 1 ? '1 model does' : `${omittedModels} models do`
    items.push(
      item(
        'models_omitted',
        'warning',
        `${what} not fit into what this node tells others, and can be asked for here only`,
        'heddle models ls',
      ),
    )
  }
  return items
}

/** What could not be renewed goes on counting until it ends. */
function credentialItems({ clock, upkeep }: MeshParts): readonly HealthItem[] {
  return upkeep.problems().map(({ credential, reason, fix, endsAt }) => {
    const isOver = endsAt !== undefined && endsAt <= clock.now()
    return item(`${credential}_ending`, isOver ? 'error' : 'warning', reason, fix ?? 'heddle identity show')
  })
}

/** `90 s`, `10 min`. */
export function spanText(ms: number): string {
  return ms < 2 * MS_PER_MINUTE ? `${Math.round(ms / MS_PER_SECOND)} s` : `${Math.round(ms / MS_PER_MINUTE)} min`
}

function item(code: string, severity: HealthItem['severity'], message: string, fix: string | null): HealthItem {
  return { code, severity, message, fix }
}
