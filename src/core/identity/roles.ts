/** What a device may do in a network, as bits of one integer, so that roles of later versions survive a reader that has no name for them. */
import type { Brand } from '../ids.ts'

const BITS = { provider: 1, gateway: 2, relay: 4, bootstrap: 8 } as const

export type Role = keyof typeof BITS
/** 0 to 2^31 - 1; bits without a name are kept. */
export type RoleMask = Brand<number, 'RoleMask'>

export const ALL_ROLES: readonly Role[] = Object.keys(BITS) as Role[]

export function roleMaskOf(roles: Iterable<Role>): RoleMask {
  let mask = 0
  for (const role of roles) mask |= BITS[role]
  return mask as RoleMask
}

export function parseRoleMask(value: number): RoleMask | undefined {
  return Number.isInteger(value) && value >= 0 && value < 2 ** 31 ? (value as RoleMask) : undefined
}

/** The roles that this version has names for. */
export function rolesOf(mask: RoleMask): readonly Role[] {
  return ALL_ROLES.filter((role) => hasRole(mask, role))
}

export function hasRole(mask: RoleMask, role: Role): boolean {
  return (mask & BITS[role]) !== 0
}
