/** Frames survive being written and read, however the bytes are cut. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { anyFrame, concat, cut, decode, joined } from '../../../../test/support/frame-arbitraries.ts'
import { LIMITS } from '../../limits.ts'
import type { Frame, OpenFrame } from './frame.ts'
import { FrameDecoder } from './frame-decoder.ts'
import { encodeFrame, FrameWriter } from './frame-writer.ts'

const OPEN: OpenFrame = {
  kind: 'open',
  stream: 1,
  isLast: true,
  id: 'req_1',
  service: 'llm',
  method: 'POST',
  path: '/v1/chat/completions',
  headers: {},
}

describe('the frame codec', () => {
  it('reads what was written, whatever the pieces', () => {
    fc.assert(
      fc.property(
        fc.array(anyFrame, { maxLength: 12 }),
        fc.array(fc.oneof(fc.integer({ min: 1, max: 9 }), fc.integer({ min: 1, max: 5_000 })), {
          minLength: 1,
          maxLength: 20,
        }),
        (frames, sizes) => {
          const writer = new FrameWriter()
          for (const frame of frames) assert.equal(writer.write(frame), undefined)
          const bytes = concat(writer.take())
          assert.deepEqual(decode(cut(bytes, sizes)), { frames: joined(frames), refusal: undefined })
        },
      ),
      { numRuns: 300 },
    )
  })

  it('never writes what it would refuse to read, and says why it does not', () => {
    const text = fc.string({ unit: 'binary', maxLength: 20 })
    const fields = fc.record({
      id: text,
      service: text,
      method: fc.oneof(text, fc.constant('GET')),
      path: fc.oneof(text, fc.constant('/')),
      headers: fc.dictionary(fc.oneof(text, fc.constant('accept')), text, { maxKeys: 4, noNullPrototype: true }),
    })
    let written = 0
    fc.assert(
      fc.property(fields, (open) => {
        const writer = new FrameWriter()
        const frame: Frame = { ...OPEN, ...open }
        const refusal = writer.write(frame)
        if (refusal !== undefined) return assert.equal(writer.pendingBytes, 0)
        written += 1
        assert.deepEqual(decode([concat(writer.take())]), { frames: [frame], refusal: undefined })
      }),
      {
        numRuns: 5_000,
        examples: [[{ id: 'a', service: 'b', method: 'GET', path: '/', headers: { accept: '\ud800' } }]],
      },
    )
    assert.ok(written < 5_000, 'some were refused')
  })

  it('takes a path and headers of the largest size and nothing larger', () => {
    const path = `/${'p'.repeat(LIMITS.urlBytes.value - 1)}`
    // One header: a byte for its known name, two for the length of its value.
    const value = 'v'.repeat(LIMITS.headerBytes.value - 3)
    const largest: OpenFrame = { ...OPEN, path, headers: { accept: value } }
    assert.deepEqual(decode([encodeFrame(largest)]).frames, [largest])
    const refusalOf = (frame: Frame): string | undefined => new FrameWriter().write(frame)?.kind
    assert.equal(refusalOf({ ...largest, path: `${path}p` }), 'path_length')
    assert.equal(refusalOf({ ...largest, headers: { accept: `${value}v` } }), 'header_bytes')
    assert.equal(refusalOf({ ...largest, headers: { accept: 'ü'.repeat(value.length) } }), 'header_bytes')
    const many = Object.fromEntries(Array.from({ length: LIMITS.headerFields.value }, (_, index) => [`h${index}`, 'x']))
    assert.equal(refusalOf({ ...OPEN, headers: many }), undefined)
    assert.equal(refusalOf({ ...OPEN, headers: { ...many, more: '' } }), 'header_count')
  })

  it('refuses what is larger when a peer writes it all the same', () => {
    const frame = encodeFrame({ ...OPEN, path: `/${'p'.repeat(LIMITS.urlBytes.value - 1)}` })
    // Behind the 8 bytes of the header, the id, the service and the method stand the 16 bits of the path's length.
    const at = 8 + 6 + 4 + 5
    const longer = Uint8Array.from([...frame.slice(0, at), 0x20, 0x01, 0x2f, ...frame.slice(at + 2)])
    longer.set([(longer.length - 8) >>> 8, (longer.length - 8) & 0xff], 2)
    const [refused] = decode([longer]).frames
    assert.ok(refused?.kind === 'refused')
    assert.equal(refused.refusal.kind, 'path_length')
  })

  it('keeps earlier frames when one is refused, and writes further ones after it', () => {
    const writer = new FrameWriter()
    writer.write({ kind: 'ping', token: 1 })
    writer.write({ ...OPEN, headers: { 'Not-Lower': 'x' } })
    writer.write({ kind: 'ping', token: 2 })
    assert.deepEqual(decode([concat(writer.take())]).frames, [
      { kind: 'ping', token: 1 },
      { kind: 'ping', token: 2 },
    ])
  })

  it('puts the frames of a turn into few arrays and leaves large bodies where they are', () => {
    const writer = new FrameWriter()
    const large = new Uint8Array(16 * 1024)
    for (let stream = 1; stream < 20; stream += 2) writer.body(stream, new Uint8Array(500), true)
    writer.body(21, large, true)
    writer.end(23)
    const chunks = writer.take()
    assert.equal(chunks.length, 3)
    assert.equal(chunks[1], large)
    assert.equal(writer.pendingBytes, 0)
  })

  it('never writes again into arrays that were taken', () => {
    const writer = new FrameWriter()
    writer.write({ kind: 'ping', token: 1 })
    const [taken] = writer.take()
    const before = taken?.slice()
    for (let token = 0; token < 10_000; token += 1) writer.write({ kind: 'ping', token })
    assert.deepEqual(taken, before)
  })

  it('hands over the bytes of a body as they come, as views, and holds none of them', () => {
    const seen: Uint8Array[] = []
    const decoder = new FrameDecoder((frame) => frame.kind === 'body' && seen.push(frame.bytes))
    const bytes = encodeFrame({ kind: 'body', stream: 1, isLast: true, bytes: new Uint8Array(60_000).fill(7) })
    const first = bytes.slice(0, 20_000)
    decoder.push(first)
    assert.deepEqual([seen.length, seen[0]?.length, seen[0]?.buffer === first.buffer], [1, 19_992, true])
    decoder.push(bytes.slice(20_000))
    assert.equal(seen[1]?.length, 40_008)
  })

  it('does not hand over Buffers, whose slices share memory', () => {
    const decoder = new FrameDecoder((frame) => {
      if (frame.kind === 'body') assert.equal(Object.getPrototypeOf(frame.bytes), Uint8Array.prototype)
    })
    decoder.push(Buffer.from(encodeFrame({ kind: 'body', stream: 1, isLast: true, bytes: new Uint8Array(10) })))
  })
})
