/** Networks as people read them. */
import type { NetworkPart } from '../core/wire/networks.ts'

/** `member until 2026-04-01`, or why not. */
export function memberText({ isPrivate, memberUntil, hasKey, reason }: NetworkPart): string {
  if (!isPrivate) return 'member'
  if (memberUntil !== null) return `member until ${memberUntil.slice(0, 10)}${hasKey ? ', may admit others' : ''}`
  return hasKey ? 'may admit itself and others' : `no member: ${reason}`
}
