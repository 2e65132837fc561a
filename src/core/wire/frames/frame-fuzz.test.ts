/** Whatever bytes come, the decoder neither throws nor hangs nor grows. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { SeededRandom } from '../../../adapters/memory/seeded-random.ts'
import { LIMITS } from '../../limits.ts'
import { type Decoded, FrameDecoder } from './frame-decoder.ts'
import { encodeFrame } from './frame-writer.ts'

const INPUTS = 100_000
const SLOWEST_MS = 50

const SOUND: readonly Uint8Array[] = [
  encodeFrame({ kind: 'hello', least: 1, most: 1, features: 0, windowBytes: 262_144, openRequests: 256 }),
  encodeFrame({
    kind: 'open',
    stream: 1,
    isLast: false,
    id: 'req_01jabcdefghjkmnpqrstvwxy',
    service: 'llm',
    method: 'POST',
    path: '/v1/chat/completions',
    headers: { 'content-type': 'application/json', 'x-heddle-a': 'b', 'user-agent': 'ünïcode/1.0 🧵' },
  }),
  encodeFrame({ kind: 'head', stream: 1, isLast: false, status: 200, headers: { 'content-type': 'text/plain' } }),
  encodeFrame({ kind: 'body', stream: 1, isLast: true, bytes: new Uint8Array(200) }),
  encodeFrame({ kind: 'window', stream: 1, credit: 131_072 }),
  encodeFrame({ kind: 'reset', stream: 1, code: 1 }),
  encodeFrame({ kind: 'goAway', code: 0, lastStream: 1 }),
]

/** Milliseconds that this thread has computed, which other programs on the machine do not change. */
function computedMs(): number {
  const { user, system } = process.threadCpuUsage()
  return (user + system) / 1_000
}

/** Noise, or sound frames with some bytes changed, taken out or put in. */
function input(random: SeededRandom): Uint8Array {
  if (random.integer(4) === 0) return random.bytes(random.integer(400))
  const bytes: number[] = []
  for (let count = 1 + random.integer(4); count > 0; count -= 1)
    bytes.push(...(SOUND[random.integer(SOUND.length)] ?? []))
  for (let count = random.integer(6); count > 0; count -= 1) {
    const at = random.integer(bytes.length)
    const kind = random.integer(3)
    if (kind === 0) bytes[at] = random.integer(256)
    else if (kind === 1) bytes.splice(at, 1 + random.integer(8))
    else bytes.splice(at, 0, ...random.bytes(1 + random.integer(8)))
  }
  return Uint8Array.from(bytes)
}

describe('the frame decoder', () => {
  it(`takes ${INPUTS} hostile inputs without throwing and none for longer than ${SLOWEST_MS} ms`, (t) => {
    const seed = 20_260_101
    const random = new SeededRandom(seed)
    const seen = { frames: 0, refused: 0, refusals: 0 }
    let slowestMs = 0
    for (let index = 0; index < INPUTS; index += 1) {
      const bytes = input(random)
      const decoder = new FrameDecoder((frame: Decoded) => {
        if (frame.kind === 'refused') seen.refused += 1
        else seen.frames += 1
      })
      const from = computedMs()
      for (let at = 0; at < bytes.length; ) {
        const size = 1 + random.integer(random.integer(2) === 0 ? 5 : 500)
        if (decoder.push(bytes.subarray(at, at + size)) !== undefined) {
          seen.refusals += 1
          break
        }
        at += size
      }
      const ms = computedMs() - from
      if (ms > slowestMs) slowestMs = ms
    }
    t.diagnostic(`seed ${seed}: ${JSON.stringify(seen)}, slowest ${slowestMs.toFixed(2)} ms`)
    assert.ok(slowestMs < SLOWEST_MS, `an input took ${slowestMs} ms`)
    assert.ok(seen.frames > 1_000 && seen.refused > 1_000 && seen.refusals > 1_000, 'inputs reach every outcome')
  })

  it('reads the slowest frames there are at once', () => {
    const fields = Array.from({ length: 100 }, (_, index) => [`h${index}`, 'é'.repeat(75)] as const)
    const open = encodeFrame({
      kind: 'open',
      stream: 1,
      isLast: true,
      id: 'r'.repeat(128),
      service: 's'.repeat(128),
      method: 'GET',
      path: `/${'p'.repeat(8_000)}`,
      headers: Object.fromEntries(fields),
    })
    const frames: Decoded[] = []
    const decoder = new FrameDecoder((frame) => frames.push(frame))
    const from = computedMs()
    for (const byte of open) decoder.push(Uint8Array.of(byte))
    assert.ok(computedMs() - from < SLOWEST_MS)
    assert.equal(frames[0]?.kind, 'open')
  })

  it('keeps no more than one frame needs when a peer stops in the middle', () => {
    const header = encodeFrame({
      kind: 'open',
      stream: 1,
      isLast: true,
      id: 'r',
      service: 's',
      method: 'GET',
      path: '/',
      headers: {},
    }).slice(0, 8)
    header.set([LIMITS.meshOpenBytes.value >>> 8, LIMITS.meshOpenBytes.value & 0xff], 2)
    const decoders: FrameDecoder[] = []
    const before = process.memoryUsage().arrayBuffers
    for (let count = 0; count < 200; count += 1) {
      const decoder = new FrameDecoder(() => assert.fail('no frame is whole'))
      decoder.push(Uint8Array.from([...header, 1]))
      decoders.push(decoder)
    }
    const grown = process.memoryUsage().arrayBuffers - before
    assert.ok(grown <= 200 * (LIMITS.meshOpenBytes.value + 1024), `${grown} bytes`)
    assert.equal(decoders.length, 200)
  })

  it('says the same refusal for everything after the first one', () => {
    const decoder = new FrameDecoder(() => assert.fail('nothing is read any more'))
    const bad = Uint8Array.of(5, 0, 0, 1, 0, 0, 0, 1, 0)
    const refusal = decoder.push(bad)
    assert.deepEqual(refusal, { kind: 'payload_length', type: 5, stream: 1 })
    assert.equal(decoder.push(encodeFrame({ kind: 'ping', token: 1 })), refusal)
  })
})
