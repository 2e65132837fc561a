/** What a request's headers say of the way it is to be routed, in our words and in OpenTela's. */
import { HeddleError } from '../../core/errors.ts'
import type { MessageHeaders } from '../../core/message.ts'
import { fieldOfGroup, fieldsInHeaders, parseStrictness, STRICTNESS_HEADER } from '../../core/routing/group-headers.ts'
import { STRICTNESS, type Strictness } from '../../core/routing/identity-groups.ts'
import { isWithinTrust, type PromptTrust } from '../../core/routing/prompt-trust.ts'

export interface Wish {
  /** What stands for fields of the body, by key. */
  readonly fields: ReadonlyMap<string, string>
  readonly strictness: Strictness
  readonly promptTrust: PromptTrust
}

/** OpenTela's levels of trust by what we can vouch for: a valid identity, and one's own machines. The next, KYC, is nobody's. */
const TRUST_LEVELS: readonly PromptTrust[] = ['any', 'network', 'self']

/** @throws HeddleError `invalid_request`, or `no_route` for a trust that nobody has */
export function wishOf(headers: MessageHeaders, usual: Pick<Wish, 'strictness' | 'promptTrust'>): Wish {
  return {
    fields: fieldsOf(headers),
    strictness: strictnessOf(headers, usual.strictness),
    promptTrust: trustOf(headers, usual.promptTrust),
  }
}

function fieldsOf(headers: MessageHeaders): ReadonlyMap<string, string> {
  const fields = fieldsInHeaders(headers)
  const text = headers['x-otela-identity-group']
  if (text === undefined) return fields
  const group = fieldOfGroup(text)
  if (group === undefined)
    throw new HeddleError('invalid_request', 'x-otela-identity-group takes key=value', {
      param: 'x-otela-identity-group',
    })
  return new Map([...fields, [group.key, group.value]])
}

function strictnessOf(headers: MessageHeaders, usual: Strictness): Strictness {
  const text = headers[STRICTNESS_HEADER]
  if (text === undefined) return fallbackOf(headers['x-otela-fallback'], usual)
  const strictness = parseStrictness(text)
  if (strictness !== undefined) return strictness
  throw new HeddleError('invalid_request', `${STRICTNESS_HEADER} takes ${STRICTNESS.join(', ')}`, {
    param: STRICTNESS_HEADER,
  })
}

/** As in OpenTela, a level that is none of its three counts as 0. */
function fallbackOf(level: string | undefined, usual: Strictness): Strictness {
  if (level === undefined) return usual
  return STRICTNESS[/^[012]$/.test(level) ? Number(level) : 0] ?? usual
}

/** `X-Otela-Trust` narrows who may read the request, and never widens it. */
export function trustOf(headers: MessageHeaders, promptTrust: PromptTrust): PromptTrust {
  const text = headers['x-otela-trust']
  if (text === undefined || !/^\d$/.test(text)) return promptTrust
  const wanted = TRUST_LEVELS[Number(text)]
  if (wanted === undefined)
    throw new HeddleError('no_route', `no provider meets the requested trust level (${text})`, { shouldRetry: false })
  return isWithinTrust(wanted, promptTrust) ? wanted : promptTrust
}
