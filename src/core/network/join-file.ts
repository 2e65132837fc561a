/** The file with which another machine joins a network: its genesis, where to find it, and what admits to it. */
import { armourOf, parseArmour } from '../identity/armour.ts'
import { decodeCanonical, encodeCanonical } from '../identity/canonical.ts'
import { SEED_BYTES } from '../identity/ed25519-rules.ts'
import { FieldReader, fieldsOf } from '../identity/field-reader.ts'
import { type Checked, ok } from '../identity/refusal.ts'
import type { SignatureScheme } from '../identity/signed-value.ts'
import type { NetworkId } from '../ids.ts'
import { limit } from '../limits.ts'
import { type Genesis, networkIdOf, readGenesis } from './genesis.ts'

const VERSION = 1
const PRESHARED_KEY_BYTES = 32
/** version, genesis (bytes), addresses (list of text), network seed (32 bytes), membership (bytes), pre-shared key (32 bytes). */
const KEY = { genesis: 1, addresses: 2, networkSeed: 3, membership: 4, presharedKey: 5 } as const

/** A secret whenever it holds the network's seed or the pre-shared key: whoever has the seed may admit anybody. */
export interface JoinFile {
  /** As encoded by `encodeGenesis`. */
  readonly genesis: Uint8Array
  /** Multiaddrs of nodes that are likely to be up. */
  readonly addresses: readonly string[]
  /** The private half of the network key; the joining device signs its own membership with it. */
  readonly networkSeed: Uint8Array | undefined
  /** A membership for one device, as encoded by `issueMembership`. */
  readonly membership: Uint8Array | undefined
  /** libp2p's pre-shared key, where the network uses one. */
  readonly presharedKey: Uint8Array | undefined
}

export interface ParsedJoinFile extends JoinFile {
  readonly network: { readonly id: NetworkId; readonly genesis: Genesis }
}

/** One line of text, `heddle-join-1.…`. */
export function joinFileText(scheme: Pick<SignatureScheme, 'sha256'>, file: JoinFile): string {
  const fields = fieldsOf({
    0: VERSION,
    [KEY.genesis]: file.genesis,
    [KEY.addresses]: file.addresses,
    [KEY.networkSeed]: file.networkSeed,
    [KEY.membership]: file.membership,
    [KEY.presharedKey]: file.presharedKey,
  })
  return armourOf(scheme, 'heddle-join-1', encodeCanonical(fields))
}

/** Reads untrusted text. The membership in it, and whether the seed is that of the network key, are not checked yet. */
export function parseJoinFile(scheme: Pick<SignatureScheme, 'sha256'>, text: string): Checked<ParsedJoinFile> {
  const maxBytes = limit('joinFileBytes')
  const bytes = parseArmour(scheme, 'heddle-join-1', text, { maxBytes })
  if (bytes.kind !== 'ok') return bytes
  const decoded = decodeCanonical(bytes.value, { maxBytes })
  if (decoded.kind !== 'ok') return decoded
  const reader = new FieldReader(decoded.value)
  reader.version(VERSION)
  const genesis = reader.blob(KEY.genesis, limit('genesisBytes'))
  const addresses = reader.list(KEY.addresses, limit('joinAddresses')).filter((each) => typeof each === 'string')
  if (reader.list(KEY.addresses, limit('joinAddresses')).length !== addresses.length)
    reader.refuse('an address is no text')
  const optional = (key: number, length: number): Uint8Array | undefined =>
    reader.has(key) ? reader.bytes(key, length) : undefined
  const networkSeed = optional(KEY.networkSeed, SEED_BYTES)
  const membership = reader.has(KEY.membership) ? reader.blob(KEY.membership, limit('statementBytes')) : undefined
  const presharedKey = optional(KEY.presharedKey, PRESHARED_KEY_BYTES)
  const file = reader.finish((): JoinFile => ({ genesis, addresses, networkSeed, membership, presharedKey }))
  if (file.kind !== 'ok') return file
  const read = readGenesis(genesis)
  if (read.kind !== 'ok') return read
  return ok({ ...file.value, network: { id: networkIdOf(scheme, genesis), genesis: read.value } })
}
