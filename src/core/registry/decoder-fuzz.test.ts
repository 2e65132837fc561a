/** A hundred thousand inputs for everything that reads what strangers send: none makes a reader throw, and none takes long. */
import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { nth, scheme, TestDevice } from '../../../test/support/registry-peer.ts'
import { seededChance } from '../../../test/support/seeded-chance.ts'
import { encodeSigned, signValue } from '../identity/signed-value.ts'
import { checkProof } from './equivocation.ts'
import { parseBatch } from './gossip-batch.ts'
import { parseLoadBeat } from './load-beat.ts'
import { parseNodeRecord } from './record-codec.ts'
import { parseAnswer, parseQuestion } from './sync-messages.ts'

const INPUTS = 100_000
const MOST_MS = 50
const SEED = 20_260_101
const folder = join(import.meta.dirname, '../../../test/vectors/registry')

const READERS: Readonly<Record<string, (bytes: Uint8Array) => { readonly kind: string }>> = {
  record: (bytes) => parseNodeRecord(scheme, bytes),
  beat: (bytes) => parseLoadBeat(bytes),
  batch: (bytes) => parseBatch(bytes),
  question: (bytes) => parseQuestion(bytes),
  answer: (bytes) => parseAnswer(bytes),
  proof: (bytes) => checkProof(scheme, bytes),
}

function samples(): readonly Uint8Array[] {
  return globSync('*.json', { cwd: folder }).flatMap((file) => {
    const { cases } = JSON.parse(readFileSync(join(folder, file), 'utf8')) as { cases: readonly { bytes: string }[] }
    return cases.map(({ bytes }) => Uint8Array.from(Buffer.from(bytes, 'hex')))
  })
}

/** Heads of CBOR items, as a generator of what is nearly right. */
const HEADS = [
  0x00, 0x17, 0x18, 0x1b, 0x20, 0x40, 0x58, 0x59, 0x60, 0x78, 0x80, 0x83, 0x98, 0xa0, 0xa4, 0xb8, 0xf4, 0xf5, 0xf6,
  0xfb,
]

class Inputs {
  readonly #chance = seededChance(SEED)
  readonly #samples = samples()
  readonly #key = new TestDevice(1).key

  next(): Uint8Array {
    switch (this.#below(6)) {
      case 0:
        return Uint8Array.from({ length: this.#below(300) }, () => this.#below(256))
      case 1:
        return Uint8Array.from({ length: this.#below(2_000) }, () => nth(HEADS, this.#below(HEADS.length)))
      case 2:
        return this.#sealed(Uint8Array.from({ length: this.#below(200) }, () => nth(HEADS, this.#below(HEADS.length))))
      case 3:
        return this.#spliced()
      default:
        return this.#mutated()
    }
  }

  #below(most: number): number {
    return Math.floor(this.#chance() * most)
  }

  #sample(): Uint8Array {
    return nth(this.#samples, this.#below(this.#samples.length))
  }

  /** One that was right, with some bytes changed, cut off or added. */
  #mutated(): Uint8Array {
    const bytes = Uint8Array.from(this.#sample())
    for (let change = this.#below(6); change >= 0; change -= 1) {
      if (bytes.length > 0) bytes[this.#below(bytes.length)] = this.#below(256)
    }
    const cut = this.#below(4) === 0 ? this.#below(bytes.length) : bytes.length
    return this.#below(8) === 0 ? Uint8Array.from([...bytes, this.#below(256)]) : bytes.subarray(0, cut)
  }

  /** The beginning of one and the end of another. */
  #spliced(): Uint8Array {
    const [a, b] = [this.#sample(), this.#sample()]
    return Uint8Array.from([...a.subarray(0, this.#below(a.length)), ...b.subarray(this.#below(b.length))])
  }

  /** A good signature over what is no record. */
  #sealed(payload: Uint8Array): Uint8Array {
    return encodeSigned(signValue('node-record', payload, [this.#key]))
  }
}

describe('the readers of what strangers send', () => {
  it(`take ${INPUTS} inputs without throwing, none for longer than ${MOST_MS} ms`, () => {
    const inputs = new Inputs()
    const readers = Object.entries(READERS)
    const kinds = new Map<string, number>()
    for (let number = 0; number < INPUTS; number += 1) {
      const input = inputs.next()
      const [name, read] = nth(readers, number % readers.length)
      const before = performance.now()
      let kind = ''
      try {
        ;({ kind } = read(input))
      } catch (error) {
        const hex = Buffer.from(input).toString('hex')
        throw new Error(`input ${number} of seed ${SEED} makes the reader of a ${name} throw: ${hex}`, { cause: error })
      }
      const ms = performance.now() - before
      // A pause of the machine is no fault of the reader: only one that is slow again is.
      if (ms > MOST_MS) assert.ok(timeOf(read, input) < MOST_MS, `input ${number} of seed ${SEED} takes ${ms} ms`)
      kinds.set(kind, (kinds.get(kind) ?? 0) + 1)
    }
    // Inputs that are never right, or never nearly right, would show little.
    assert.ok((kinds.get('ok') ?? 0) > 100, JSON.stringify([...kinds]))
    assert.ok((kinds.get('malformed') ?? 0) > INPUTS / 2)
    assert.ok((kinds.get('bad_signature') ?? 0) + (kinds.get('unsupported_version') ?? 0) > 5)
  })
})

function timeOf(read: (bytes: Uint8Array) => unknown, input: Uint8Array): number {
  const before = performance.now()
  read(input)
  return performance.now() - before
}
