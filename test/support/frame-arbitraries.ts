/** Frames as fast-check makes them, and bytes cut as a network might. */
import fc from 'fast-check'
import type { Frame } from '../../src/core/wire/frames/frame.ts'
import { type Decoded, FrameDecoder } from '../../src/core/wire/frames/frame-decoder.ts'
import { HEADER_NAMES } from '../../src/core/wire/frames/header-names.ts'
import type { FrameRefusal } from '../../src/core/wire/frames/refusal.ts'

const u16 = fc.nat({ max: 0xffff })
const u32 = fc.nat({ max: 0xffff_ffff })
const stream = fc.integer({ min: 1, max: 0x7fff_ffff })

const textOf = (alphabet: string, minLength: number, maxLength: number): fc.Arbitrary<string> =>
  fc.string({ unit: fc.constantFrom(...alphabet.split('')), minLength, maxLength })

const VISIBLE = Array.from({ length: 94 }, (_, index) => String.fromCharCode(0x21 + index)).join('')
const TOKEN = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz"

const headerName = fc.oneof(
  fc.constantFrom(...HEADER_NAMES),
  textOf(TOKEN, 1, 30).filter((name) => name !== '__proto__'),
  fc.constantFrom('constructor', 'tostring', 'hasownproperty', 'x'.repeat(127)),
)
const record = <T>(model: { [Key in keyof T]: fc.Arbitrary<T[Key]> }): fc.Arbitrary<T> =>
  fc.record<T>(model, { noNullPrototype: true })

/** Printable characters of any plane, and tabs. */
const headerValue = fc
  .string({ unit: 'grapheme', maxLength: 60 })
  .map((text) =>
    Array.from(text, (character) => (character < ' ' || character === '\u007f' ? '\t' : character)).join(''),
  )
const headers = fc.dictionary(headerName, headerValue, { maxKeys: 12, noNullPrototype: true })

export const anyFrame: fc.Arbitrary<Frame> = fc.oneof(
  record({
    kind: fc.constant('hello' as const),
    least: fc.integer({ min: 1, max: 100 }),
    most: fc.integer({ min: 100, max: 0xffff }),
    features: u32,
    windowBytes: stream,
    openRequests: u32,
  }),
  record({
    kind: fc.constant('open' as const),
    stream,
    isLast: fc.boolean(),
    id: textOf(VISIBLE, 1, 128),
    service: textOf(VISIBLE, 1, 128),
    method: textOf('ABCDEFGHIJKLMNOPQRSTUVWXYZ-', 1, 32),
    path: textOf(VISIBLE, 0, 300).map((rest) => `/${rest}`),
    headers,
  }),
  record({
    kind: fc.constant('head' as const),
    stream,
    isLast: fc.boolean(),
    status: fc.integer({ min: 200, max: 599 }),
    headers,
  }),
  record({
    kind: fc.constant('body' as const),
    stream,
    isLast: fc.boolean(),
    bytes: fc.oneof(fc.uint8Array({ maxLength: 300 }), fc.uint8Array({ minLength: 4_000, maxLength: 9_000 })),
  }),
  record({ kind: fc.constant('end' as const), stream }),
  record({ kind: fc.constant('reset' as const), stream, code: u16 }),
  record({ kind: fc.constant('window' as const), stream, credit: stream }),
  record({ kind: fc.constantFrom('ping' as const, 'pong' as const), token: u32 }),
  record({ kind: fc.constant('goAway' as const), code: u16, lastStream: u32 }),
)

/** `bytes` in pieces whose sizes are taken from `sizes` in turn. */
export function* cut(bytes: Uint8Array, sizes: readonly number[]): Generator<Uint8Array> {
  let at = 0
  for (let turn = 0; at < bytes.length; turn += 1) {
    const size = sizes[turn % sizes.length] ?? bytes.length
    yield bytes.slice(at, at + size)
    at += size
  }
}

/** Body frames may be read in parts: puts together what follows each other in one request. */
export function joined(frames: readonly Decoded[]): Decoded[] {
  const result: Decoded[] = []
  for (const frame of frames) {
    const before = result.at(-1)
    if (frame.kind === 'body' && before?.kind === 'body' && before.stream === frame.stream && !before.isLast) {
      result[result.length - 1] = { ...frame, bytes: concat([before.bytes, frame.bytes]) }
    } else {
      result.push(frame.kind === 'body' ? { ...frame, bytes: frame.bytes.slice() } : frame)
    }
  }
  return result
}

/** What a decoder makes of the pieces. */
export function decode(pieces: Iterable<Uint8Array>): {
  readonly frames: readonly Decoded[]
  readonly refusal: FrameRefusal | undefined
} {
  const frames: Decoded[] = []
  const decoder = new FrameDecoder((frame) => frames.push(frame))
  let refusal: FrameRefusal | undefined
  for (const piece of pieces) refusal = decoder.push(piece)
  return { frames: joined(frames), refusal }
}

/** All chunks as one array. */
export function concat(chunks: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(chunks.reduce((sum, chunk) => sum + chunk.length, 0))
  let at = 0
  for (const chunk of chunks) {
    bytes.set(chunk, at)
    at += chunk.length
  }
  return bytes
}
