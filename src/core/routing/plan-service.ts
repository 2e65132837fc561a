/** Orders the instances of a service for one request, and says why there is none. */
import { HeddleError } from '../errors.ts'
import { limit } from '../limits.ts'
import { isWithinStrictness, matchLevelOf, type RequestFields, STRICTNESS, type Strictness } from './identity-groups.ts'
import { isWithinTrust, type PromptTrust } from './prompt-trust.ts'
import { compareRanks, rankOf } from './rank.ts'
import type { ServiceCandidate } from './service-candidate.ts'

export interface ServiceWish {
  readonly service: string
  readonly fields: RequestFields
  readonly strictness: Strictness
  readonly promptTrust: PromptTrust
  /** One node was asked for by its id: its groups order its instances and exclude none. */
  readonly isDirect: boolean
  /** What asks nothing of a model, such as a list of models: every instance of `llm` answers it. */
  readonly needsGroups: boolean
}

interface Placed {
  readonly candidate: ServiceCandidate
  readonly level: number
}

const NOT_READY_RETRY_MS = 5_000
const NO_LEVEL = STRICTNESS.length

/**
 * Best first: the strictest match, then this node while it has room, then the least busy.
 * @param instances of the service, at least one
 * @throws HeddleError `no_capacity` where none that may serve is ready, `no_route` (`model_not_found` for `llm`) where none matches,
 * `prompt_outside_trust` where those that match may not read the prompt
 */
export function planService(wish: ServiceWish, instances: readonly ServiceCandidate[]): readonly ServiceCandidate[] {
  const matching = instances.slice(0, limit('candidates')).flatMap((candidate): readonly Placed[] => {
    const level = levelOf(wish, candidate)
    return level === undefined ? [] : [{ candidate, level }]
  })
  if (matching.length === 0) throw noMatch(wish, instances)
  const trusted = matching.filter(({ candidate }) => isWithinTrust(candidate.trust, wish.promptTrust))
  if (trusted.length === 0) throw outsideTrust(wish)
  const ready = trusted.filter(({ candidate }) => candidate.state === 'ready')
  if (ready.length === 0) throw noneReady(wish, trusted)
  return ready
    .map(({ candidate, level }) => ({ candidate, level, rank: rankOf(candidate) }))
    .sort((a, b) => a.level - b.level || compareRanks(a.rank, b.rank))
    .map(({ candidate }) => candidate)
}

/** 0 for the strictest match; undefined where the instance does not take the request. */
function levelOf(
  { service, fields, strictness, isDirect, needsGroups }: ServiceWish,
  { groups }: ServiceCandidate,
): number | undefined {
  if (!needsGroups) return 0
  // A runtime without models serves nobody; another service without groups serves everybody.
  const level = service === 'llm' && groups.length === 0 ? undefined : matchLevelOf(groups, fields)
  if (level !== undefined && (isDirect || isWithinStrictness(level, strictness))) return STRICTNESS.indexOf(level)
  return isDirect && service !== 'llm' ? NO_LEVEL : undefined
}

function noMatch({ service, fields, strictness }: ServiceWish, instances: readonly ServiceCandidate[]): HeddleError {
  if (service === 'llm') {
    const model = fields.get('model')
    if (typeof model === 'string')
      return new HeddleError('model_not_found', `nobody serves "${model.slice(0, limit('modelIdBytes'))}"`, {
        param: 'model',
        fix: 'heddle models ls',
      })
    return new HeddleError('invalid_request', 'name a model in "model"', { param: 'model' })
  }
  const groups = [...new Set(instances.flatMap((instance) => instance.groups))]
  const looser = groups.includes('all') || groups.some((group) => group.endsWith('=*'))
  return new HeddleError(
    'no_route',
    `no instance of "${service}" is of a group that this request names; there are ${listed(groups)}`,
    {
      shouldRetry: false,
      fix: `name one in a field of the JSON body, or in a header such as ${headerOf(groups[0])}${
        looser && strictness !== 'any' ? '; or let matching go further: x-heddle-strictness: any' : ''
      }`,
    },
  )
}

function headerOf(group: string | undefined): string {
  const [key, value] = (group ?? 'key=value').split('=', 2)
  return `x-heddle-group-${key}: ${value === '*' || value === undefined ? '…' : value}`
}

const SHOWN = 8

function listed(groups: readonly string[]): string {
  const shown = groups.slice(0, SHOWN).map((group) => `"${group}"`)
  return groups.length > SHOWN ? `${shown.join(', ')} and ${groups.length - SHOWN} more` : shown.join(', ')
}

function outsideTrust({ service, promptTrust }: ServiceWish): HeddleError {
  return new HeddleError(
    'prompt_outside_trust',
    `"${service}" is served only outside the prompt trust of this key, which is "${promptTrust}"`,
    { metadata: { promptTrust }, fix: 'heddle keys create <name> --prompt-trust any' },
  )
}

function noneReady({ service, fields }: ServiceWish, placed: readonly Placed[]): HeddleError {
  const excluded = placed
    .slice(0, limit('notedExclusions'))
    .map(({ candidate: { nodeName, runtime, state, reason } }) => ({
      node: nodeName,
      runtime,
      reason: reason === '' ? state : `${state}: ${reason}`,
    }))
  const model = service === 'llm' ? fields.get('model') : undefined
  const what = typeof model === 'string' ? model : service
  return new HeddleError('no_capacity', `"${what}" is known, but nothing that serves it is ready now`, {
    retryAfterMs: NOT_READY_RETRY_MS,
    metadata: { excluded },
    fix: 'heddle status',
  })
}
