/** Whatever a node says of itself, its record can be read by others. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import {
  START,
  scheme,
  TEST_NETWORK,
  TestDevice,
  testDescription,
  testService,
} from '../../../test/support/registry-peer.ts'
import { fitDescription } from './fit-record.ts'
import type { NodeDescription } from './node-record.ts'
import { parseNodeRecord, signNodeRecord } from './record-codec.ts'
import { soundDescription } from './sound-description.ts'

const { key } = new TestDevice(1)
const text = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 300 }),
  fc.constantFrom(
    '',
    ' a',
    'a\u0000b',
    'e\u0301',
    '\ud800',
    '\ufeffa',
    'http://x',
    'llm',
    'model=x',
    '/ip4/1.2.3.4/tcp/1',
  ),
)
const number = fc.oneof(fc.double(), fc.constantFrom(-1, 0.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 60))
const offer = fc.record({
  id: text,
  endpoints: fc.constant(['chat' as const]),
  accepts: fc.record({
    mode: fc.constantFrom('only' as const, 'all-but' as const),
    names: fc.array(text, { maxLength: 80 }),
  }),
  createdSeconds: number,
  ownedBy: text,
  contextTokens: fc.option(number, { nil: undefined }),
  architecture: fc.option(text, { nil: undefined }),
  digest: fc.option(text, { nil: undefined }),
})
const load = fc.record({ inFlight: number, queued: number, inputRate: number, outputRate: number })
const service = fc.record({
  name: text,
  runtime: text,
  groups: fc.array(text, { maxLength: 70 }),
  offers: fc.array(offer, { maxLength: 12 }),
  capacity: number,
  load,
})
const description: fc.Arbitrary<NodeDescription> = fc
  .record({
    name: text,
    addresses: fc.array(text, { maxLength: 20 }),
    directUrl: text,
    country: text,
    region: text.map((name) => ({ name, origin: 'configured' as const })),
    tiers: fc.array(text, { maxLength: 20 }),
    version: text,
    hardware: fc.record({
      cores: number,
      memoryBytes: number,
      accelerators: fc.array(fc.record({ name: text, memoryBytes: number })),
    }),
    services: fc.array(
      service.map((each) => testService(each)),
      { maxLength: 4 },
    ),
  })
  .map(testDescription)

describe('a sound description', () => {
  it('makes a record that others take, whatever it was made of', () => {
    fc.assert(
      fc.property(description, (described) => {
        const fitted = fitDescription(soundDescription(described))
        const numbers = { network: TEST_NETWORK, incarnation: 1, seq: 1, signedAt: START, leaseMs: 30_000 }
        const { bytes } = signNodeRecord({ scheme, key }, fitted.description, numbers)
        assert.equal(parseNodeRecord(scheme, bytes).kind, 'ok')
      }),
      { numRuns: 300 },
    )
  })

  it('leaves a sound one as it is', () => {
    assert.deepEqual(soundDescription(testDescription()), testDescription())
  })
})
