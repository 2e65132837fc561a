/** Services of a node record as canonical fields and back. What models of one runtime share is written once. */

import { hexOf, parseHex } from '../identity/bytes.ts'
import type { CanonicalMap, CanonicalValue } from '../identity/canonical.ts'
import { type FieldReader, fieldsOf } from '../identity/field-reader.ts'
import { limit } from '../limits.ts'
import type { AcceptedParameters, Endpoint, ModelOffer, RuntimeState } from '../routing/candidate.ts'
import type { NodeService, ServiceLoad } from './node-record.ts'
import { isParameterName, nestedIn, recordText, textList } from './record-fields.ts'

const STATES: readonly RuntimeState[] = ['starting', 'ready', 'unhealthy', 'stopped']
/** One bit each, in this order. */
const ENDPOINTS: readonly Endpoint[] = ['chat', 'completions', 'embeddings']
const ALL_ENDPOINTS = 2 ** ENDPOINTS.length - 1
const DIGEST_BYTES = 32
export const SERVICE_NAME = /^[a-z0-9][a-z0-9._-]{0,63}$/

/**
 * Keys of a service: 1 name, 2 runtime, 3 state, 4 groups, 5 parameter lists, 6 offers, 7 capacity,
 * 8 in flight, 9 queued, 10 input rate, 11 output rate.
 * A parameter list is `[isOnly, name, …]`.
 */
export function serviceFields(service: NodeService): CanonicalMap {
  const lists: CanonicalValue[][] = []
  const indexes = new Map<string, number>()
  const indexOf = ({ mode, names }: AcceptedParameters): number => {
    const key = JSON.stringify([mode, ...names])
    const known = indexes.get(key)
    if (known !== undefined) return known
    indexes.set(key, lists.length)
    return lists.push([mode === 'only', ...names]) - 1
  }
  const offers = service.offers.map((offer) => offerFields(offer, indexOf(offer.accepts)))
  const { load } = service
  return fieldsOf({
    1: service.name,
    2: service.runtime,
    3: STATES.indexOf(service.state),
    4: unlessEmpty(service.groups),
    5: unlessEmpty(lists),
    6: unlessEmpty(offers),
    7: service.capacity,
    8: load.inFlight || undefined,
    9: load.queued || undefined,
    10: load.inputRate || undefined,
    11: load.outputRate || undefined,
  })
}

/** Reads one service; `models` is what the record may still hold. Mistakes are noted in `parent`. */
export function parseService(parent: FieldReader, value: CanonicalValue, models: number): NodeService | undefined {
  return nestedIn(parent, value, (fields) => {
    const name = fields.text(1, 64)
    if (!SERVICE_NAME.test(name)) fields.refuse('not a service name')
    const runtime = recordText(fields, 2)
    const state = STATES[fields.uint(3)]
    if (state === undefined) fields.refuse('no such state')
    const groups = textList(fields, 4, limit('recordGroups'))
    const lists = optionalList(fields, 5, models).map((list) => parameterList(fields, list))
    const offers = optionalList(fields, 6, models).map((offer) => parseOffer(fields, offer, lists))
    const capacity = fields.uint(7)
    const load = loadOf(fields, [8, 9, 10, 11])
    return () => ({
      name,
      runtime,
      state: state ?? 'stopped',
      groups,
      offers: offers.filter((offer) => offer !== undefined),
      capacity,
      load,
    })
  })
}

/** The four numbers of a load under their keys; absent ones are 0. */
export function loadOf(fields: FieldReader, keys: readonly [number, number, number, number]): ServiceLoad {
  const [inFlight, queued, inputRate, outputRate] = keys.map((key) => (fields.has(key) ? fields.uint(key) : 0))
  return { inFlight: inFlight ?? 0, queued: queued ?? 0, inputRate: inputRate ?? 0, outputRate: outputRate ?? 0 }
}

/**
 * Keys of an offer: 1 id, 2 endpoints, 3 index of its parameter list, 4 created, 5 owner, 6 context, 7 architecture,
 * 8 quantisation, 9 parameters, 10 size, 11 digest, 12 vision.
 */
function offerFields(offer: ModelOffer, accepts: number): CanonicalMap {
  return fieldsOf({
    1: offer.id,
    2: ENDPOINTS.reduce((bits, endpoint, index) => bits + (offer.endpoints.includes(endpoint) ? 2 ** index : 0), 0),
    3: accepts,
    4: offer.createdSeconds || undefined,
    5: offer.ownedBy || undefined,
    6: offer.contextTokens,
    7: offer.architecture,
    8: offer.quantisation,
    9: offer.parameters,
    10: offer.sizeBytes,
    11: offer.digest === undefined ? undefined : parseHex(offer.digest),
    12: offer.vision,
  })
}

function parseOffer(
  parent: FieldReader,
  value: CanonicalValue,
  lists: readonly AcceptedParameters[],
): ModelOffer | undefined {
  return nestedIn(parent, value, (fields) => {
    const id = recordText(fields, 1)
    const bits = fields.uint(2)
    if (bits > ALL_ENDPOINTS) fields.refuse('no such endpoint')
    const accepts = lists[fields.uint(3)]
    if (accepts === undefined) fields.refuse('no such parameter list')
    const createdSeconds = fields.has(4) ? fields.uint(4) : 0
    const ownedBy = fields.has(5) ? recordText(fields, 5) : ''
    const contextTokens = fields.has(6) ? fields.uint(6) : undefined
    const architecture = fields.has(7) ? recordText(fields, 7) : undefined
    const quantisation = fields.has(8) ? recordText(fields, 8) : undefined
    const parameters = fields.has(9) ? fields.uint(9) : undefined
    const sizeBytes = fields.has(10) ? fields.uint(10) : undefined
    const digest = fields.has(11) ? hexOf(fields.bytes(11, DIGEST_BYTES)) : undefined
    const vision = fields.has(12) ? fields.boolean(12) : undefined
    return () => ({
      id,
      endpoints: ENDPOINTS.filter((_, index) => (bits >> index) % 2 === 1),
      accepts: accepts ?? { mode: 'all-but', names: [] },
      createdSeconds,
      ownedBy,
      contextTokens,
      architecture,
      quantisation,
      parameters,
      sizeBytes,
      digest,
      vision,
    })
  })
}

function parameterList(fields: FieldReader, value: CanonicalValue): AcceptedParameters {
  if (!Array.isArray(value) || value.length > limit('recordNames') + 1) {
    fields.refuse('not a parameter list')
    return { mode: 'all-but', names: [] }
  }
  const [isOnly, ...names] = value as readonly CanonicalValue[]
  const texts = names.filter((name) => typeof name === 'string')
  if (typeof isOnly !== 'boolean' || texts.length !== names.length || !texts.every(isParameterName)) {
    fields.refuse('not a parameter list')
  }
  return { mode: isOnly === true ? 'only' : 'all-but', names: texts }
}

function optionalList(fields: FieldReader, key: number, maxItems: number): readonly CanonicalValue[] {
  return fields.has(key) ? fields.list(key, maxItems) : []
}

function unlessEmpty<T>(list: readonly T[]): readonly T[] | undefined {
  return list.length === 0 ? undefined : list
}
