/** Makes what runtimes and settings say of a node fit for a record, so that one odd model name cannot keep the whole node out. */

import { parseHex } from '../identity/bytes.ts'
import { isDisplayName } from '../identity/field-reader.ts'
import { limit } from '../limits.ts'
import type { ModelOffer } from '../routing/candidate.ts'
import type { NodeDescription, NodeService, ServiceLoad } from './node-record.ts'
import { isDirectUrl, isParameterName, isRecordText, isRegionName } from './record-fields.ts'
import { SERVICE_NAME } from './record-service.ts'

const MAX_TIERS = 16
const DIGEST_BYTES = 32

/** Leaves out what no record may hold, and rounds numbers. */
export function soundDescription(description: NodeDescription): NodeDescription {
  const { hardware, region, country, directUrl } = description
  return {
    ...description,
    name: description.name.isWellFormed() && isDisplayName(description.name) ? description.name : 'a node',
    addresses: description.addresses.filter(isRecordText).slice(0, limit('recordAddresses')),
    directUrl: directUrl !== undefined && isDirectUrl(directUrl) ? directUrl : undefined,
    region: region !== undefined && isRegionName(region.name) ? region : undefined,
    country: country !== undefined && /^[A-Z]{2}$/.test(country) ? country : undefined,
    hardware: hardware && {
      cores: whole(hardware.cores),
      memoryBytes: whole(hardware.memoryBytes),
      accelerators: hardware.accelerators
        .filter(({ name }) => isRecordText(name))
        .slice(0, MAX_TIERS)
        .map(({ name, memoryBytes }) => ({ name, memoryBytes: whole(memoryBytes) })),
    },
    tiers: description.tiers.filter(isRecordText).slice(0, MAX_TIERS),
    version: isRecordText(description.version) ? description.version : 'unknown',
    services: description.services
      .filter(({ name, runtime }) => SERVICE_NAME.test(name) && isRecordText(runtime))
      .slice(0, limit('recordServices'))
      .map(soundService),
  }
}

export function soundLoad({ inFlight, queued, inputRate, outputRate }: ServiceLoad): ServiceLoad {
  return {
    inFlight: whole(inFlight),
    queued: whole(queued),
    inputRate: whole(inputRate),
    outputRate: whole(outputRate),
  }
}

function soundService(service: NodeService): NodeService {
  return {
    ...service,
    groups: service.groups.filter(isRecordText).slice(0, limit('recordGroups')),
    offers: service.offers.filter(({ id }) => isRecordText(id)).map(soundOffer),
    capacity: whole(service.capacity),
    load: soundLoad(service.load),
  }
}

function soundOffer(offer: ModelOffer): ModelOffer {
  const { mode, names } = offer.accepts
  const sound = names.filter(isParameterName)
  return {
    id: offer.id,
    endpoints: offer.endpoints,
    accepts: { mode, names: sound.slice(0, limit('recordNames')) },
    createdSeconds: whole(offer.createdSeconds),
    ownedBy: text(offer.ownedBy) ?? '',
    contextTokens: offer.contextTokens === undefined ? undefined : whole(offer.contextTokens),
    architecture: text(offer.architecture),
    quantisation: text(offer.quantisation),
    parameters: offer.parameters === undefined ? undefined : whole(offer.parameters),
    sizeBytes: offer.sizeBytes === undefined ? undefined : whole(offer.sizeBytes),
    digest: offer.digest !== undefined && parseHex(offer.digest)?.length === DIGEST_BYTES ? offer.digest : undefined,
    vision: offer.vision,
  }
}

function text(value: string | undefined): string | undefined {
  return value !== undefined && isRecordText(value) ? value : undefined
}

function whole(value: number): number {
  return Number.isFinite(value) ? Math.min(Number.MAX_SAFE_INTEGER, Math.max(0, Math.round(value))) : 0
}
