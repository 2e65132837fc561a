/** Node records as bytes: written and signed, and read from untrusted hands. */
import { hexOf, parseHex } from '../identity/bytes.ts'
import { type CanonicalMap, type CanonicalValue, decodeCanonical, encodeCanonical } from '../identity/canonical.ts'
import { type PublicKey, parsePublicKey } from '../identity/ed25519-rules.ts'
import { FieldReader, fieldsOf } from '../identity/field-reader.ts'
import { peerIdOf } from '../identity/peer-id.ts'
import { type Ok, ok } from '../identity/refusal.ts'
import {
  decodeSigned,
  encodeSigned,
  hasSignatures,
  type SignatureScheme,
  type SignedValue,
  type SigningKey,
  signedIdOf,
  signValue,
} from '../identity/signed-value.ts'
import type { NetworkId, NodeId } from '../ids.ts'
import { limit } from '../limits.ts'
import {
  type HardwareProfile,
  NODE_ROLES,
  type NodeDescription,
  type NodeRecord,
  type NodeRegion,
  type NodeService,
  REGION_ORIGINS,
  type SignedRecord,
} from './node-record.ts'
import { isDirectUrl, isRegionName, nestedIn, recordText, textList } from './record-fields.ts'
import type { ParseRefusal } from './record-refusal.ts'
import { parseService, serviceFields } from './record-service.ts'

const VERSION = 1
const NETWORK_BYTES = 32
const MAX_ROLES = 16
const MAX_TIERS = 16
const MAX_ACCELERATORS = 16

/** A record that was read and whose signature was not checked yet. */
export interface UnverifiedRecord extends SignedRecord {
  readonly signed: SignedValue<'node-record'>
  /** Tells this record with this signature from all others. */
  readonly fingerprint: string
}

export type RecordNumbers = Pick<NodeRecord, 'network' | 'incarnation' | 'seq' | 'signedAt' | 'leaseMs'>

/** @throws RangeError where the record is longer than a record may be */
export function signNodeRecord(
  { scheme, key }: { readonly scheme: Pick<SignatureScheme, 'sha256'>; readonly key: SigningKey },
  description: NodeDescription,
  numbers: RecordNumbers,
): SignedRecord {
  const payload = encodeCanonical(recordFields(key.publicKey, description, numbers))
  const signed = signValue('node-record', payload, [key])
  const bytes = encodeSigned(signed)
  if (bytes.length > limit('recordBytes')) throw new RangeError(`a record of ${bytes.length} bytes is too long`)
  const record: NodeRecord = { ...description, ...numbers, publicKey: key.publicKey, peer: peerIdOf(key.publicKey) }
  return { record, bytes, id: hexOf(signedIdOf(scheme, signed)) }
}

/** Reads untrusted bytes without checking the signature: cheap, for what is known or old already. */
export function parseNodeRecord(
  scheme: Pick<SignatureScheme, 'sha256'>,
  bytes: Uint8Array,
  { peerOf = peerIdOf }: { readonly peerOf?: (key: PublicKey) => NodeId } = {},
): Ok<UnverifiedRecord> | ParseRefusal {
  const envelope = decodeSigned(bytes, ['node-record'], { maxBytes: limit('recordBytes') })
  if (envelope.kind !== 'ok') return envelope
  const signed = envelope.value
  const payload = decodeCanonical(signed.payload, { maxBytes: limit('recordBytes') })
  if (payload.kind !== 'ok') return payload
  const record = parseRecord(payload.value, peerOf)
  if (record.kind !== 'ok') return record as ParseRefusal
  const id = hexOf(signedIdOf(scheme, signed))
  const fingerprint = id + signed.signatures.map(hexOf).join('')
  return ok({ record: record.value, bytes: Uint8Array.from(bytes), id, signed, fingerprint })
}

/** Checks the signature; the result keeps nothing but what the registry holds. */
export function verifyRecord(
  scheme: Pick<SignatureScheme, 'verify'>,
  { record, bytes, id, signed }: UnverifiedRecord,
): SignedRecord | undefined {
  return hasSignatures(scheme, signed, [record.publicKey]) ? { record, bytes, id } : undefined
}

/**
 * Keys: 0 version, 1 device key, 2 certificate, 3 network, 4 incarnation, 5 sequence, 6 signed at, 7 lease, 8 name, 9 roles,
 * 10 addresses, 11 direct URL, 12 region, 13 region origin, 14 country, 15 hardware, 16 tiers, 17 version,
 * 18 least and 19 most protocol version, 20 services, 21 membership.
 */
function recordFields(publicKey: PublicKey, description: NodeDescription, numbers: RecordNumbers): CanonicalMap {
  const own = fieldsOf({
    0: VERSION,
    1: publicKey,
    3: parseHex(numbers.network),
    4: numbers.incarnation,
    5: numbers.seq,
    6: numbers.signedAt,
    7: numbers.leaseMs,
  })
  return new Map([...own, ...descriptionFields(description)])
}

/** The part of a record's fields that its node describes. */
export function descriptionFields(description: NodeDescription): CanonicalMap {
  const { region, hardware } = description
  return fieldsOf({
    2: description.certificate,
    8: description.name,
    9: description.roles,
    10: description.addresses,
    11: description.directUrl,
    12: region?.name,
    13: region === undefined ? undefined : REGION_ORIGINS.indexOf(region.origin),
    14: description.country,
    15: hardware === undefined ? undefined : hardwareFields(hardware),
    16: description.tiers,
    17: description.version,
    18: description.protocol.least,
    19: description.protocol.most,
    20: description.services.map(serviceFields),
    21: description.membership,
  })
}

function parseRecord(value: CanonicalValue, peerOf: (key: PublicKey) => NodeId) {
  const fields = new FieldReader(value)
  fields.version(VERSION)
  const publicKey = fields.parsed(1, 32, parsePublicKey, 'a public key')
  const certificate = fields.blob(2, limit('statementBytes'))
  const network = hexOf(fields.bytes(3, NETWORK_BYTES)) as NetworkId
  const [incarnation, seq, signedAt, leaseMs] = [fields.uint(4), fields.uint(5), fields.time(6), fields.uint(7)]
  const name = fields.displayName(8)
  const roleTexts = textList(fields, 9, MAX_ROLES)
  const addresses = textList(fields, 10, limit('recordAddresses'))
  const directUrl = fields.has(11) ? recordText(fields, 11) : undefined
  if (directUrl !== undefined && !isDirectUrl(directUrl)) fields.refuse('not an HTTP address')
  const region = regionOf(fields)
  const country = fields.has(14) ? recordText(fields, 14) : undefined
  if (country !== undefined && !/^[A-Z]{2}$/.test(country)) fields.refuse('not a country code')
  const hardware = fields.has(15) ? parseHardware(fields, fields.map(15)) : undefined
  const tiers = textList(fields, 16, MAX_TIERS)
  const version = recordText(fields, 17)
  const protocol = { least: fields.uint(18), most: fields.uint(19) }
  if (protocol.least > protocol.most) fields.refuse('not a range of versions')
  const services = servicesOf(fields)
  const membership = fields.has(21) ? fields.blob(21, limit('statementBytes')) : undefined
  return fields.finish((): NodeRecord | undefined => {
    if (publicKey === undefined) return undefined
    const peer = peerOf(publicKey)
    // Roles of later versions say nothing to this one.
    const roles = NODE_ROLES.filter((role) => roleTexts.includes(role))
    return {
      peer,
      publicKey,
      certificate,
      membership,
      network,
      incarnation,
      seq,
      signedAt,
      leaseMs,
      name,
      roles,
      addresses,
      directUrl,
      region,
      country,
      hardware,
      tiers,
      version,
      protocol,
      services,
    }
  })
}

function servicesOf(fields: FieldReader): readonly NodeService[] {
  let models = limit('recordModels')
  const services: NodeService[] = []
  for (const each of fields.list(20, limit('recordServices'))) {
    const service = parseService(fields, each, models)
    if (service === undefined) return []
    models -= service.offers.length
    services.push(service)
  }
  return services
}

function regionOf(fields: FieldReader): NodeRegion | undefined {
  if (!fields.has(12)) return undefined
  const name = recordText(fields, 12)
  const origin = REGION_ORIGINS[fields.uint(13)]
  if (!isRegionName(name) || origin === undefined) fields.refuse('not a region')
  return { name, origin: origin ?? 'detected' }
}

/** Keys: 1 cores, 2 memory in bytes, 3 accelerators: maps of 1 name and 2 memory in bytes. */
function hardwareFields({ cores, memoryBytes, accelerators }: HardwareProfile): CanonicalMap {
  return fieldsOf({
    1: cores,
    2: memoryBytes,
    3: accelerators.map((each) => fieldsOf({ 1: each.name, 2: each.memoryBytes })),
  })
}

function parseHardware(parent: FieldReader, value: CanonicalValue): HardwareProfile | undefined {
  return nestedIn(parent, value, (fields) => {
    const cores = fields.uint(1)
    const memoryBytes = fields.uint(2)
    const accelerators = fields.list(3, MAX_ACCELERATORS).map((each) =>
      nestedIn(fields, each, (inner) => {
        const name = recordText(inner, 1)
        const size = inner.uint(2)
        return () => ({ name, memoryBytes: size })
      }),
    )
    return () => ({ cores, memoryBytes, accelerators: accelerators.filter((each) => each !== undefined) })
  })
}
