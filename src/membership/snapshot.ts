/** What a node keeps on disk of the network: the records and the good peers, so that it knows where to go before it has met anyone. */
import { type CanonicalValue, decodeCanonical, encodeCanonical } from '../core/identity/canonical.ts'
import { FieldReader, fieldsOf } from '../core/identity/field-reader.ts'
import type { NodeId } from '../core/ids.ts'
import { limit } from '../core/limits.ts'
import type { RememberedNode } from '../core/registry/registry-table.ts'
import type { GoodPeer } from './good-peers.ts'

const VERSION = 1

export interface Snapshot {
  /** Signed records as they travel. */
  readonly records: readonly Uint8Array[]
  /** Nodes that went lately: what they said before must not bring them back. */
  readonly gone: readonly RememberedNode[]
  /** Best first. */
  readonly goodPeers: readonly GoodPeer[]
}

const CAUSES = ['left', 'expired', 'equivocation'] as const

/** Keys: 0 version, 1 records, 2 good peers as lists of id and addresses, 3 those gone as lists of cause, beat number and record or proof. */
export function encodeSnapshot({ records, gone, goodPeers }: Snapshot): Uint8Array {
  const peers = goodPeers.map(({ peer, addresses }) => [peer, ...addresses])
  const remembered = gone.map(({ cause, beatNumber, bytes }) => [CAUSES.indexOf(cause), beatNumber, bytes])
  return encodeCanonical(fieldsOf({ 0: VERSION, 1: records, 2: peers, 3: remembered }))
}

/** Undefined where the bytes are no snapshot that this version can read. Records are not looked at. */
export function parseSnapshot(bytes: Uint8Array): Snapshot | undefined {
  const decoded = decodeCanonical(bytes, { maxBytes: limit('registryFileBytes') })
  if (decoded.kind !== 'ok') return undefined
  const fields = new FieldReader(decoded.value)
  fields.version(VERSION)
  const records = fields.list(1, limit('registryRecords')).filter((each) => each instanceof Uint8Array)
  const goodPeers = fields.list(2, limit('goodPeers')).map(parseGoodPeer)
  const gone = fields.has(3) ? fields.list(3, limit('registryRecords')).map(parseGone) : []
  const snapshot = fields.finish(() => ({
    records,
    gone: gone.filter((each) => each !== undefined),
    goodPeers: goodPeers.filter((each) => each !== undefined),
  }))
  return snapshot.kind === 'ok' ? snapshot.value : undefined
}

function parseGoodPeer(value: CanonicalValue): GoodPeer | undefined {
  const texts = Array.isArray(value) ? value.filter((each) => typeof each === 'string') : []
  const [peer, ...addresses] = texts
  return peer === undefined ? undefined : { peer: peer as NodeId, addresses }
}

function parseGone(value: CanonicalValue): RememberedNode | undefined {
  const [code, beatNumber, bytes] = Array.isArray(value) ? (value as readonly CanonicalValue[]) : []
  const cause = typeof code === 'number' ? CAUSES[code] : undefined
  if (cause === undefined || typeof beatNumber !== 'number' || !(bytes instanceof Uint8Array)) return undefined
  return { cause, beatNumber, bytes }
}
