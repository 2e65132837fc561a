/** The vectors of docs/PROTOCOL.md: other implementations and this one agree on every byte. */
import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { cut, decode } from '../../../../test/support/frame-arbitraries.ts'
import type { BodyFrame, Frame } from './frame.ts'
import type { Decoded } from './frame-decoder.ts'
import { encodeFrame } from './frame-writer.ts'

interface VectorCase {
  readonly name: string
  /** The whole frame in hexadecimal. */
  readonly bytes: string
  readonly frame?: Decoded
  /** This implementation would not write these bytes for the frame. */
  readonly decodeOnly?: boolean
  readonly refusal?: string
  readonly scope?: 'session' | 'request'
}

const folder = join(import.meta.dirname, '../../../../test/vectors/frames')
const files = globSync('*.json', { cwd: folder }).sort()

const bytesOf = (hex: string): Uint8Array => Uint8Array.from(Buffer.from(hex, 'hex'))

function frameOf(frame: Decoded): Decoded {
  return frame.kind === 'body' ? { ...frame, bytes: bytesOf((frame as { bytes: unknown }).bytes as string) } : frame
}

function check({ name, bytes: hex, frame, decodeOnly, refusal, scope }: VectorCase): void {
  const bytes = bytesOf(hex)
  for (const sizes of [[bytes.length], [1], [7, 2]]) {
    const result = decode(cut(bytes, sizes))
    if (frame !== undefined) {
      assert.deepEqual(result, { frames: [frameOf(frame)], refusal: undefined }, name)
    } else if (scope === 'session') {
      assert.equal(result.refusal?.kind, refusal, name)
      assert.deepEqual(result.frames, [], name)
    } else {
      const [only] = result.frames
      assert.equal(result.frames.length, 1, name)
      assert.equal(only?.kind === 'refused' && only.refusal.kind, refusal, name)
    }
  }
  if (frame !== undefined && decodeOnly !== true) {
    assert.equal(Buffer.from(encodeFrame(frameOf(frame) as Frame & BodyFrame)).toString('hex'), hex, name)
  }
}

describe('the vectors of the frame protocol', () => {
  it('are there', () => {
    assert.deepEqual(files, [
      'body.json',
      'control.json',
      'head.json',
      'hello.json',
      'open.json',
      'refused.json',
      'unknown.json',
    ])
  })

  for (const file of files) {
    const { about, cases } = JSON.parse(readFileSync(join(folder, file), 'utf8')) as {
      about: string
      cases: VectorCase[]
    }
    it(`${file}: ${about}`, () => {
      assert.ok(cases.length >= 3)
      for (const each of cases) check(each)
    })
  }
})
