/** Makes a description fit into a record: what people can do without goes first, then models, and the publisher is told how many. */
import { encodeCanonical } from '../identity/canonical.ts'
import { limit } from '../limits.ts'
import type { ModelOffer } from '../routing/candidate.ts'
import type { NodeDescription, NodeService } from './node-record.ts'
import { descriptionFields } from './record-codec.ts'

/** Key, network, numbers and signature, with what wraps them. */
const OTHER_BYTES = 220

export interface Fitted {
  readonly description: NodeDescription
  /** Models that are not published, last ones first to go. */
  readonly omittedModels: number
}

/** Leaves out no more models than needed; the description must be sound. */
export function fitDescription(description: NodeDescription): Fitted {
  const wanted = modelsOf(description)
  const whole = withModels(description, limit('recordModels'))
  if (fits(whole)) return { description: whole, omittedModels: wanted - modelsOf(whole) }
  const plain = { ...description, services: description.services.map(withoutDetails) }
  let least = 0
  let tooMany = limit('recordModels') + 1
  while (tooMany - least > 1) {
    const middle = Math.floor((least + tooMany) / 2)
    if (fits(withModels(plain, middle))) least = middle
    else tooMany = middle
  }
  const fitted = shortened(withModels(plain, least))
  return { description: fitted, omittedModels: wanted - modelsOf(fitted) }
}

/** Nobody's node needs this: hundreds of groups or addresses of the greatest length. */
function shortened(description: NodeDescription): NodeDescription {
  let shorter = description
  for (let most = limit('recordGroups'); most > 0 && !fits(shorter); most = Math.floor(most / 2)) {
    const services = description.services
      .slice(0, most)
      .map((service) => ({ ...service, groups: service.groups.slice(0, most) }))
    shorter = {
      ...description,
      services,
      addresses: description.addresses.slice(0, most),
      tiers: description.tiers.slice(0, most),
      hardware: undefined,
    }
  }
  return shorter
}

function fits(description: NodeDescription): boolean {
  return encodeCanonical(descriptionFields(description)).length + OTHER_BYTES <= limit('recordBytes')
}

function modelsOf({ services }: NodeDescription): number {
  return services.reduce((sum, { offers }) => sum + offers.length, 0)
}

function withoutDetails(service: NodeService): NodeService {
  return { ...service, offers: service.offers.map(plainOffer) }
}

function plainOffer({ id, endpoints, accepts, contextTokens, quantisation, vision }: ModelOffer): ModelOffer {
  return { id, endpoints, accepts, createdSeconds: 0, ownedBy: '', contextTokens, quantisation, vision }
}

/** At most `most` models, shared out in the order of the services. */
function withModels(description: NodeDescription, most: number): NodeDescription {
  let left = most
  const services = description.services.map((service) => {
    const offers = service.offers.slice(0, left)
    left -= offers.length
    return { ...service, offers }
  })
  return { ...description, services }
}
