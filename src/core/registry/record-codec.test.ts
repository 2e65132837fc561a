/** Node records survive the way through bytes, and hostile bytes are refused cheaply. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import {
  nth,
  START,
  scheme,
  TEST_NETWORK,
  TestDevice,
  testDescription,
  testService,
  withFlippedByte,
} from '../../../test/support/registry-peer.ts'
import { encodeCanonical } from '../identity/canonical.ts'
import { encodeSigned, signValue } from '../identity/signed-value.ts'
import { limit } from '../limits.ts'
import { parseNodeRecord, signNodeRecord, verifyRecord } from './record-codec.ts'

const device = new TestDevice(1)
const NUMBERS = { network: TEST_NETWORK, incarnation: 3, seq: 4, signedAt: START, leaseMs: 30_000 }

function parsed(bytes: Uint8Array) {
  const outcome = parseNodeRecord(scheme, bytes)
  assert.equal(outcome.kind, 'ok')
  return outcome.kind === 'ok' ? outcome.value : assert.fail()
}

describe('a node record', () => {
  it('is read as it was written', () => {
    const description = testDescription({
      directUrl: 'https://node.example/v1',
      membership: new Uint8Array(180).fill(9),
      services: [
        testService(),
        testService({ name: 'whisper', groups: ['lang=*', 'all'], offers: [], runtime: 'http' }),
      ],
    })
    const signed = signNodeRecord({ scheme, key: device.key }, description, NUMBERS)
    const back = parsed(signed.bytes)
    assert.deepEqual(back.record, { ...description, ...NUMBERS, peer: device.peer, publicKey: device.key.publicKey })
    assert.equal(back.id, signed.id)
    assert.deepEqual(verifyRecord(scheme, back)?.bytes, signed.bytes)
  })

  it('writes what models of one runtime share once', () => {
    const names = Array.from({ length: 30 }, (_, index) => `parameter_${index}`)
    const offers = Array.from({ length: 20 }, (_, index) => ({
      ...nth(testService().offers, 0),
      id: `org/model-${index}:8b-q4`,
      accepts: { mode: 'only' as const, names },
    }))
    const { bytes } = device.record(1, { services: [testService({ offers })] })
    assert.ok(bytes.length < 3_400, `${bytes.length} bytes`)
  })

  it('keeps fields of later versions under the signature', () => {
    const payload = parsed(device.record(1).bytes).signed.payload
    const bytes = encodeSigned(signValue('node-record', withField(payload, 40), [device.key]))
    const back = parsed(bytes)
    assert.deepEqual(verifyRecord(scheme, back)?.bytes, bytes)
  })

  it('refuses an unknown field that a reader of this version must understand', () => {
    const payload = parsed(device.record(1).bytes).signed.payload
    const bytes = encodeSigned(signValue('node-record', withField(payload, 31), [device.key]))
    assert.equal(parseNodeRecord(scheme, bytes).kind, 'malformed')
  })

  it('is not believed when a single bit differs', () => {
    const { bytes } = device.record(1, { hardware: undefined, services: [] })
    for (let bit = 0; bit < bytes.length * 8; bit += 1) {
      const outcome = parseNodeRecord(scheme, withFlippedByte(bytes, bit >> 3, 1 << (bit & 7)))
      if (outcome.kind === 'ok') assert.equal(verifyRecord(scheme, outcome.value), undefined, `bit ${bit}`)
    }
  })

  it('is refused in under a millisecond when it is too long, too deep, or lies about its size', () => {
    const tooLong = new Uint8Array(limit('recordBytes') + 1)
    const tooDeep = new Uint8Array(1_000_000).fill(0x81)
    const deepInside = encodeSigned(signValue('node-record', new Uint8Array(3_000).fill(0x81), [device.key]))
    const manyItems = Uint8Array.from([0xba, 0x3b, 0x9a, 0xca, 0x00])
    for (const bytes of [tooLong, tooDeep, deepInside, manyItems]) {
      parseNodeRecord(scheme, bytes)
      const before = performance.now()
      for (let round = 0; round < 10; round += 1) assert.equal(parseNodeRecord(scheme, bytes).kind, 'malformed')
      assert.ok((performance.now() - before) / 10 < 1)
    }
  })

  it('has names, addresses and numbers within bounds', () => {
    const wrong = [
      { name: 'tab\tbed' },
      { name: 'e\u0301' },
      { addresses: ['\u202e/ip4/1.2.3.4'] },
      { directUrl: 'file:///etc/passwd' },
      { directUrl: 'https://user:secret@node.example' },
      { country: 'Germany' },
      { region: { name: 'Übersee', origin: 'configured' as const } },
      { protocol: { least: 2, most: 1 } },
      { services: [testService({ name: '../admin' })] },
      { services: [testService({ groups: Array.from({ length: 65 }, (_, index) => `a=${index}`) })] },
      { tiers: Array.from({ length: 17 }, () => 'A') },
    ]
    for (const changes of wrong) {
      const { bytes } = device.record(1, changes)
      assert.equal(parseNodeRecord(scheme, bytes).kind, 'malformed', JSON.stringify(changes))
    }
    assert.throws(() => device.record(2 ** 53), RangeError)
    assert.throws(() => device.record(1, { certificate: new Uint8Array(5_000) }), RangeError)
  })

  it('takes no more models than the limit, over all services', () => {
    const offers = Array.from({ length: 33 }, (_, index) => ({
      id: `m${index}`,
      endpoints: ['chat' as const],
      accepts: { mode: 'only' as const, names: [] },
      createdSeconds: 0,
      ownedBy: '',
    }))
    const two = [testService({ offers }), testService({ offers })]
    assert.equal(parseNodeRecord(scheme, device.record(1, { services: two }).bytes).kind, 'malformed')
    assert.equal(parseNodeRecord(scheme, device.record(1, { services: two.slice(1) }).bytes).kind, 'ok')
  })

  it('never makes the reader throw, whatever the bytes', () => {
    const { bytes } = device.record(1)
    const mutated = fc
      .array(fc.tuple(fc.nat(bytes.length - 1), fc.nat(255)), { minLength: 1, maxLength: 6 })
      .map((changes) => {
        const copy = Uint8Array.from(bytes)
        for (const [at, value] of changes) copy[at] = value
        return copy
      })
    const value = fc.letrec<{ value: never }>((tie) => ({
      value: fc.oneof(
        fc.nat(),
        fc.boolean(),
        fc.string({ maxLength: 8 }),
        fc.uint8Array({ maxLength: 40 }),
        fc.array(tie('value'), { maxLength: 4 }),
        fc.array(fc.tuple(fc.nat(40), tie('value')), { maxLength: 6 }).map((pairs) => new Map(pairs)),
      ) as fc.Arbitrary<never>,
    })).value
    const shaped = value
      .filter(isEncodable)
      .map((each) => encodeSigned(signValue('node-record', encodeCanonical(each), [device.key])))
    fc.assert(
      fc.property(fc.oneof(mutated, shaped, fc.uint8Array({ maxLength: 300 })), (input) => {
        parseNodeRecord(scheme, input)
      }),
      { numRuns: 3_000 },
    )
  })
})

/** A map of under 23 fields says their number in its first byte; one more goes behind them. */
function withField(payload: Uint8Array, key: number): Uint8Array {
  const more = Uint8Array.from([...payload, 0x18, key, 0x01])
  more[0] = (more[0] ?? 0) + 1
  return more
}

function isEncodable(value: never): boolean {
  try {
    encodeCanonical(value)
    return true
  } catch {
    return false
  }
}
