/** Identity groups, by which a request chooses among the instances of a service: `key=value`, `key=*` and `all`. */
import type { ModelOffer } from './candidate.ts'

export type IdentityGroup =
  /** The request's field `key` is the string `value`. */
  | { readonly kind: 'value'; readonly key: string; readonly value: string }
  /** The request has a field `key`, whatever it holds. */
  | { readonly kind: 'key'; readonly key: string }
  /** Every request. */
  | { readonly kind: 'all' }

/** How far matching may go, from the strictest: `key=value` only, `key=*` as well, `all` as well. */
export const STRICTNESS = ['exact', 'wildcard', 'any'] as const
export type Strictness = (typeof STRICTNESS)[number]
export const DEFAULT_STRICTNESS: Strictness = 'exact'

/** The fields of a request that groups speak of; values other than strings match `key=*` only. */
export type RequestFields = ReadonlyMap<string, unknown>

const MATCHED_BY: Readonly<Record<IdentityGroup['kind'], Strictness>> = { value: 'exact', key: 'wildcard', all: 'any' }

/** Parses an untrusted group; the first `=` ends its key. */
export function parseIdentityGroup(text: string): IdentityGroup | undefined {
  if (text === 'all') return { kind: 'all' }
  const at = text.indexOf('=')
  if (at < 1 || at === text.length - 1) return undefined
  const key = text.slice(0, at)
  const value = text.slice(at + 1)
  return value === '*' ? { kind: 'key', key } : { kind: 'value', key, value }
}

/** The fields of a request that must be known to match these groups as far as `strictness` goes. */
export function keysOfGroups(groups: Iterable<string>, strictness: Strictness): ReadonlySet<string> {
  const keys = new Set<string>()
  for (const text of groups) {
    const group = parseIdentityGroup(text)
    if (group === undefined || group.kind === 'all') continue
    if (isWithinStrictness(MATCHED_BY[group.kind], strictness)) keys.add(group.key)
  }
  return keys
}

/**
 * The strictest level on which one of `groups` takes a request with `fields`; undefined where none does.
 * An instance without groups asks nothing of a request and takes every one. What is no group matches nothing.
 */
export function matchLevelOf(groups: readonly string[], fields: RequestFields): Strictness | undefined {
  if (groups.length === 0) return 'exact'
  let best: Strictness | undefined
  for (const text of groups) {
    const group = parseIdentityGroup(text)
    if (group === undefined || !takes(group, fields)) continue
    const level = MATCHED_BY[group.kind]
    if (best === undefined || isStricter(level, best)) best = level
  }
  return best
}

/** Whether a match on `level` may be used where matching may go as far as `strictness`. */
export function isWithinStrictness(level: Strictness, strictness: Strictness): boolean {
  return STRICTNESS.indexOf(level) <= STRICTNESS.indexOf(strictness)
}

/** The groups of these offers, sorted and without repetition: one `model=<id>` for each. */
export function identityGroupsOf(offers: readonly Pick<ModelOffer, 'id'>[]): readonly string[] {
  return [...new Set(offers.map(({ id }) => `model=${id}`))].toSorted()
}

/** The model that a group names; undefined where it is a group of another key. */
export function modelOfGroup(group: string): string | undefined {
  const model = group.startsWith('model=') ? group.slice('model='.length) : ''
  return model === '' ? undefined : model
}

function takes(group: IdentityGroup, fields: RequestFields): boolean {
  switch (group.kind) {
    case 'value':
      return fields.get(group.key) === group.value
    case 'key':
      return fields.has(group.key)
    case 'all':
      return true
    default:
      return group satisfies never
  }
}

function isStricter(a: Strictness, b: Strictness): boolean {
  return STRICTNESS.indexOf(a) < STRICTNESS.indexOf(b)
}
