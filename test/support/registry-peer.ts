/** A device for registry tests: a key from a number, and the records and beats that it signs. */
import { Ed25519Verifier, ed25519Keys } from '../../src/adapters/system/ed25519-signer.ts'
import { peerIdOf } from '../../src/core/identity/peer-id.ts'
import type { SigningKey } from '../../src/core/identity/signed-value.ts'
import { asMonotonicMs, asUnixMs, type NetworkId, type NodeId } from '../../src/core/ids.ts'
import { type LoadBeat, type SignedBeat, signLoadBeat } from '../../src/core/registry/load-beat.ts'
import {
  IDLE_LOAD,
  type NodeDescription,
  type NodeService,
  type SignedRecord,
} from '../../src/core/registry/node-record.ts'
import type { Arrival } from '../../src/core/registry/outcome.ts'
import { type RecordNumbers, signNodeRecord } from '../../src/core/registry/record-codec.ts'
import { Registry, type RegistryDeps } from '../../src/core/registry/registry.ts'

export const TEST_NETWORK = 'ab'.repeat(32) as NetworkId
export const START = asUnixMs(Date.UTC(2026, 0, 1))
export const scheme = new Ed25519Verifier()

export function testService(changes: Partial<NodeService> = {}): NodeService {
  return {
    name: 'llm',
    runtime: 'llama',
    state: 'ready',
    groups: [],
    offers: [
      {
        id: 'qwen3:8b',
        endpoints: ['chat', 'completions'],
        accepts: { mode: 'all-but', names: ['logit_bias'] },
        createdSeconds: 1_760_000_000,
        ownedBy: 'someone',
        contextTokens: 32_768,
        architecture: 'qwen3',
        quantisation: 'Q4_K_M',
        parameters: 8_190_735_360,
        sizeBytes: 5_027_783_488,
        digest: '0123456789abcdef'.repeat(4),
        vision: false,
      },
    ],
    capacity: 4,
    load: IDLE_LOAD,
    ...changes,
  }
}

export function testDescription(changes: Partial<NodeDescription> = {}): NodeDescription {
  return {
    name: 'a node',
    certificate: new Uint8Array(200).fill(7),
    membership: undefined,
    roles: ['provider', 'gateway'],
    addresses: ['/ip4/192.168.1.20/tcp/11441'],
    directUrl: undefined,
    region: { name: 'eu-central', origin: 'configured' },
    country: 'DE',
    hardware: {
      cores: 8,
      memoryBytes: 34_359_738_368,
      accelerators: [{ name: 'Some GPU 24', memoryBytes: 25_769_803_776 }],
    },
    tiers: ['B'],
    version: '0.1.0',
    protocol: { least: 1, most: 1 },
    services: [testService()],
    ...changes,
  }
}

export class TestDevice {
  readonly key: SigningKey
  readonly peer: NodeId

  constructor(number: number) {
    const seed = new Uint8Array(32)
    new DataView(seed.buffer).setUint32(0, number + 1)
    this.key = ed25519Keys.signerOf(seed)
    this.peer = peerIdOf(this.key.publicKey)
  }

  record(seq: number, changes: Partial<NodeDescription & RecordNumbers> = {}): SignedRecord {
    const { network = TEST_NETWORK, incarnation = 1, signedAt = START, leaseMs = 30_000, ...described } = changes
    return signNodeRecord({ scheme, key: this.key }, testDescription(described), {
      network,
      incarnation,
      seq: changes.seq ?? seq,
      signedAt,
      leaseMs,
    })
  }

  beat(number: number, changes: Partial<LoadBeat> = {}): SignedBeat {
    return signLoadBeat(this.key, {
      network: TEST_NETWORK,
      incarnation: 1,
      seq: 1,
      sentAt: START,
      leaseMs: 30_000,
      loads: [IDLE_LOAD],
      ...changes,
      number,
    })
  }
}

/** A registry of device 999 unless told otherwise, which admits everybody. */
export function testRegistry(changes: Partial<RegistryDeps> = {}): Registry {
  return new Registry({
    scheme,
    network: TEST_NETWORK,
    self: new TestDevice(999).peer,
    objectionTo: () => undefined,
    ...changes,
  })
}

/** Just now from its author, unless told otherwise; `afterMs` moves both clocks. */
export function arrival(afterMs = 0, changes: Partial<Arrival> = {}): Arrival {
  return { now: asUnixMs(START + afterMs), at: asMonotonicMs(afterMs), source: 'author', idleMs: 0, ...changes }
}

/** The item at `index`, counted from the end where it is negative. */
export function nth<T>(items: readonly T[], index: number): T {
  const item = items.at(index)
  if (item === undefined) throw new RangeError(`no item ${index} of ${items.length}`)
  return item
}

/** A copy of which one byte differs. */
export function withFlippedByte(bytes: Uint8Array, at: number, mask = 1): Uint8Array {
  const index = at < 0 ? bytes.length + at : at
  return bytes.map((byte, each) => (each === index ? byte ^ mask : byte))
}
