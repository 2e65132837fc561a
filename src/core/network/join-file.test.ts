/** Join files carry what they were given, and are read with care. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { scheme, signerNamed } from '../../../test/support/identity.ts'
import { armourOf } from '../identity/armour.ts'
import { type CanonicalValue, encodeCanonical } from '../identity/canonical.ts'
import { asUnixMs } from '../ids.ts'
import { encodeGenesis, networkIdOf, readGenesis } from './genesis.ts'
import { type JoinFile, joinFileText, parseJoinFile } from './join-file.ts'

const genesis = encodeGenesis({
  name: 'workshop',
  createdAt: asUnixMs(1),
  nonce: new Uint8Array(16),
  networkKey: signerNamed('network').publicKey,
  extensions: new Map(),
})
const bare: JoinFile = {
  genesis,
  addresses: [],
  networkSeed: undefined,
  membership: undefined,
  presharedKey: undefined,
}

describe('a join file', () => {
  it('is read as it was written', () => {
    const network = readGenesis(genesis)
    assert.ok(network.kind === 'ok')
    const full: JoinFile = {
      genesis,
      addresses: ['/ip4/192.0.2.1/tcp/11441', '/dns4/example.org/tcp/443/wss'],
      networkSeed: new Uint8Array(32).fill(1),
      membership: new Uint8Array(200).fill(2),
      presharedKey: new Uint8Array(32).fill(3),
    }
    for (const file of [bare, full]) {
      const parsed = parseJoinFile(scheme, `\n${joinFileText(scheme, file)}\n`)
      const expected: object = { ...file, network: { id: networkIdOf(scheme, genesis), genesis: network.value } }
      assert.deepEqual(parsed, { kind: 'ok', value: expected })
    }
  })

  it('is refused where a part of it makes no sense', () => {
    const text = (change: Readonly<Record<number, CanonicalValue>>): string => {
      const fields = Object.entries({ 0: 1, 1: genesis, 2: [] as CanonicalValue, ...change })
      return armourOf(
        scheme,
        'heddle-join-1',
        encodeCanonical(new Map(fields.map(([key, value]) => [Number(key), value]))),
      )
    }
    assert.equal(parseJoinFile(scheme, text({})).kind, 'ok')
    assert.equal(parseJoinFile(scheme, text({ 40: 1 })).kind, 'ok')
    assert.equal(parseJoinFile(scheme, text({ 0: 2 })).kind, 'unsupported_version')
    const tooMany = Array.from({ length: 17 }, () => '/ip4/192.0.2.1/tcp/1')
    const wrong = [
      { 1: new Uint8Array(3) },
      { 2: [1] },
      { 2: tooMany },
      { 3: new Uint8Array(31) },
      { 4: 'x' },
      { 5: 1 },
      { 6: 1 },
    ]
    for (const change of wrong)
      assert.equal(parseJoinFile(scheme, text(change)).kind, 'malformed', JSON.stringify(change))
    assert.equal(parseJoinFile(scheme, 'heddle-join-2.AAAA').kind, 'malformed')
  })
})
