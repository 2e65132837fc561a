/** Headers by which a client steers routing to a service, so that its body need not be read. */
import type { MessageHeaders } from '../message.ts'
import { type IdentityGroup, parseIdentityGroup, STRICTNESS, type Strictness } from './identity-groups.ts'

/**
 * `x-heddle-group-<key>: <value>` stands for the field `key` of the body, which is then not looked at for any field;
 * percent-encoded where it is not plain.
 */
export const GROUP_HEADER_PREFIX = 'x-heddle-group-'
/** `exact` (the default), `wildcard` or `any`. */
export const STRICTNESS_HEADER = 'x-heddle-strictness'

/** The fields that headers name, by key in lower case. */
export function fieldsInHeaders(headers: MessageHeaders): ReadonlyMap<string, string> {
  const fields = new Map<string, string>()
  for (const name of Object.keys(headers)) {
    if (!name.startsWith(GROUP_HEADER_PREFIX) || name.length === GROUP_HEADER_PREFIX.length) continue
    fields.set(name.slice(GROUP_HEADER_PREFIX.length), decoded(headers[name] ?? ''))
  }
  return fields
}

/** The strictness that a header asks for; undefined where it is none. */
export function parseStrictness(text: string): Strictness | undefined {
  return STRICTNESS.find((strictness) => strictness === text)
}

/** OCF's `X-Otela-Identity-Group: key=value` as such a field; undefined where it is no such group. */
export function fieldOfGroup(text: string): Extract<IdentityGroup, { readonly kind: 'value' }> | undefined {
  const group = parseIdentityGroup(text.trim())
  return group?.kind === 'value' ? group : undefined
}

function decoded(value: string): string {
  try {
    return decodeURIComponent(value)
  } catch {
    return value
  }
}
