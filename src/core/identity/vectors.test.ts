/** The bytes of signed values stay what they are: other versions and other programs read the same. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import {
  accountNamed,
  accountRotationOf,
  certificateOf,
  deviceNamed,
  deviceRotationOf,
  NOW,
  revocationOf,
  scheme,
  signerNamed,
} from '../../../test/support/identity.ts'
import { asUnixMs } from '../ids.ts'
import { encodeGenesis, networkIdOf } from '../network/genesis.ts'
import { joinFileText } from '../network/join-file.ts'
import { issueMembership } from '../network/membership-certificate.ts'
import { hexOf } from './bytes.ts'
import { roleMaskOf } from './roles.ts'
import { decodeSigned, type SignedKind, signedIdOf } from './signed-value.ts'

/** Keys are the Ed25519 keys whose seed is the SHA-256 of the name. */
const genesis = encodeGenesis({
  name: 'Werkstatt Ä',
  createdAt: NOW,
  nonce: new Uint8Array(16).fill(9),
  networkKey: signerNamed('network').publicKey,
  extensions: new Map(),
})
const network = networkIdOf(scheme, genesis)
const membership = issueMembership(signerNamed('network'), {
  network,
  device: deviceNamed('laptop'),
  roles: roleMaskOf(['provider', 'gateway', 'relay', 'bootstrap']),
  notBefore: NOW,
  expiresAt: asUnixMs(NOW + 1),
  serial: 24,
  extensions: new Map(),
})
const extensions = new Map([
  [32, 'kept'],
  [1000, 'too'],
])
const made: Readonly<Record<string, Uint8Array>> = {
  'device certificate of ann for laptop': certificateOf('ann', 'laptop'),
  'device certificate with fields of a later version': certificateOf('ann', 'laptop', {
    extensions,
    serial: 2 ** 53 - 1,
  }),
  'revocation of laptop': revocationOf('ann', 'laptop'),
  'revocation of laptop through serial 300': revocationOf('ann', 'laptop', { throughSerial: 300 }),
  'device rotation from laptop to laptop 2': deviceRotationOf('ann', 'laptop', 'laptop 2'),
  'account rotation from ann to ann 2': accountRotationOf('ann', 1, 'ann', 'ann 2'),
  'membership of laptop': membership,
}

interface Vectors {
  readonly names: Readonly<
    Record<string, { readonly publicKey: string; readonly peerId: string; readonly account: string }>
  >
  readonly signed: Readonly<Record<string, { readonly bytes: string; readonly id: string }>>
  readonly genesis: { readonly bytes: string; readonly networkId: string; readonly joinFile: string }
}

const path = new URL('../../../test/vectors/identity/signed-values.json', import.meta.url)
const vectors = JSON.parse(readFileSync(path, 'utf8')) as Vectors
const KINDS: readonly SignedKind[] = [
  'device-certificate',
  'revocation',
  'device-rotation',
  'account-rotation',
  'membership',
]

function idOf(bytes: Uint8Array): string {
  const decoded = decodeSigned(bytes, KINDS, { maxBytes: 4096 })
  assert.ok(decoded.kind === 'ok')
  return hexOf(signedIdOf(scheme, decoded.value))
}

describe('the vectors', () => {
  for (const [name, expected] of Object.entries(vectors.names)) {
    it(`have the ids of the key named ${name}`, () => {
      const publicKey = hexOf(signerNamed(name).publicKey)
      assert.deepEqual({ publicKey, peerId: deviceNamed(name), account: accountNamed(name) }, expected)
    })
  }

  it('are all of the values made here', () => {
    assert.deepEqual(Object.keys(vectors.signed).sort(), Object.keys(made).sort())
  })

  for (const [what, bytes] of Object.entries(made)) {
    it(`have the bytes and the id of a ${what}`, () => {
      assert.deepEqual({ bytes: hexOf(bytes), id: idOf(bytes) }, vectors.signed[what])
    })
  }

  it('have the bytes of a genesis document, its network’s id, and a join file', () => {
    const file = {
      genesis,
      addresses: ['/ip4/192.0.2.1/tcp/11441'],
      networkSeed: undefined,
      membership,
      presharedKey: undefined,
    }
    assert.deepEqual(
      { bytes: hexOf(genesis), networkId: network, joinFile: joinFileText(scheme, file) },
      vectors.genesis,
    )
  })
})
