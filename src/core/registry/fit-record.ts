/** Makes a description fit into a record: what people can do without goes first, then models, and the publisher is told how many. */
import { encodeCanonical } from '../identity/canonical.ts'
import { limit } from '../limits.ts'
import type { ModelOffer } from '../routing/candidate.ts'
import type { NodeDescription, NodeService } from './node-record.ts'
import { serviceFields } from './record-service.ts'

/** What the rest of a record takes at most: certificate, addresses, hardware and signature come on top of this. */
const OTHER_BYTES = 400

export interface Fitted {
  readonly description: NodeDescription
  /** Models that are not published, last ones first to go. */
  readonly omittedModels: number
}

/** Leaves out no more than needed. */
export function fitDescription(description: NodeDescription): Fitted {
  const bare = { ...description, services: [] }
  const room =
    limit('recordBytes') - OTHER_BYTES - description.certificate.length - encodeCanonical(textsOf(bare)).length
  const whole = withModels(description.services, limit('recordModels'))
  if (sizeOf(whole.services) <= room) {
    return { description: { ...description, services: whole.services }, omittedModels: whole.omitted }
  }
  const plain = description.services.map((service) => ({ ...service, offers: service.offers.map(withoutDetails) }))
  let fits = 0
  let tooMany = limit('recordModels') + 1
  while (tooMany - fits > 1) {
    const middle = Math.floor((fits + tooMany) / 2)
    if (sizeOf(withModels(plain, middle).services) <= room) fits = middle
    else tooMany = middle
  }
  const fitted = withModels(plain, fits)
  return { description: { ...description, services: fitted.services }, omittedModels: fitted.omitted }
}

function withoutDetails({ id, endpoints, accepts, contextTokens, quantisation, vision }: ModelOffer): ModelOffer {
  return { id, endpoints, accepts, createdSeconds: 0, ownedBy: '', contextTokens, quantisation, vision }
}

/** The services with at most `most` models, shared out in their order. */
function withModels(services: readonly NodeService[], most: number) {
  let left = most
  let omitted = 0
  const kept = services.map((service) => {
    const offers = service.offers.slice(0, left)
    left -= offers.length
    omitted += service.offers.length - offers.length
    return { ...service, offers }
  })
  return { services: kept, omitted }
}

function sizeOf(services: readonly NodeService[]): number {
  return encodeCanonical(services.map(serviceFields)).length
}

function textsOf({ name, addresses, tiers, version, directUrl = '', hardware }: NodeDescription) {
  const accelerators = (hardware?.accelerators ?? []).flatMap((each) => [each.name, each.memoryBytes])
  return [name, directUrl, version, ...addresses, ...tiers, ...accelerators]
}
