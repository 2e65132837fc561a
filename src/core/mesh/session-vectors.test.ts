/** The conversations of docs/PROTOCOL.md: a session answers a dialler's bytes with exactly the bytes that are written there. */
import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { concat } from '../../../test/support/frame-arbitraries.ts'
import { answer, bytesOf, openSide, openWire, textOf, wholeOf } from '../../../test/support/mesh-pair.ts'
import { bodyOf } from '../byte-channel.ts'

interface Conversation {
  readonly about: string
  readonly dialler: readonly { readonly bytes: string }[]
  readonly listener: readonly { readonly bytes: string }[]
}

const folder = join(import.meta.dirname, '../../../test/vectors/sessions')
const files = globSync('*.json', { cwd: folder }).sort()

describe('the conversations of the frame protocol', () => {
  it('are there', () => {
    assert.deepEqual(files, ['another-version.json', 'one-request.json', 'refused.json'])
  })

  for (const file of files) {
    const { about, dialler, listener } = JSON.parse(readFileSync(join(folder, file), 'utf8')) as Conversation
    for (const isAtOnce of [true, false]) {
      it(`${file}: ${about} ${isAtOnce ? 'In one write.' : 'Frame by frame.'}`, async () => {
        const wire = await openWire()
        openSide(wire, wire.atB, { side: 'listener' }, async ({ body }) => {
          assert.equal(textOf(await wholeOf(body)), '{"model":"tiny"}')
          return answer(bodyOf(bytesOf('{"id":"x"}')), { headers: { 'content-type': 'application/json' } })
        })
        const got: Uint8Array[] = []
        wire.atA.start({ received: (bytes) => void got.push(bytes), drained: () => {}, closed: () => {} })
        const frames = dialler.map(({ bytes }) => Buffer.from(bytes, 'hex'))
        for (const frame of isAtOnce ? [Buffer.concat(frames)] : frames) {
          wire.atA.send([frame])
          await wire.clock.advance(10)
        }
        assert.equal(Buffer.from(concat(got)).toString('hex'), listener.map(({ bytes }) => bytes).join(''))
      })
    }
  }
})
