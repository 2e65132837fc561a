/** Armoured text survives copying, and slips of it are noticed. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { scheme } from '../../../test/support/identity.ts'
import { armourOf, parseArmour } from './armour.ts'

const MAX = { maxBytes: 1000 }

describe('armoured text', () => {
  it('gives the bytes back, with white space around it', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        const text = armourOf(scheme, 'heddle-join-1', bytes)
        assert.match(text, /^heddle-join-1\.[\w-]+$/)
        assert.deepEqual(parseArmour(scheme, 'heddle-join-1', ` \n${text}\r\n`, MAX), { kind: 'ok', value: bytes })
      }),
    )
  })

  it('is refused with a character too few, too many or wrong, and as something else', () => {
    const text = armourOf(scheme, 'heddle-join-1', new Uint8Array(40).fill(7))
    const slips = Array.from(text, (_, at) => at).flatMap((at) => [
      text.slice(0, at) + text.slice(at + 1),
      `${text.slice(0, at)}A${text.slice(at)}`,
      `${text.slice(0, at)}${text[at] === 'x' ? 'y' : 'x'}${text.slice(at + 1)}`,
    ])
    for (const slip of [...slips, '', 'heddle-join-1.', `${text} ${text}`]) {
      assert.equal(parseArmour(scheme, 'heddle-join-1', slip, MAX).kind, 'malformed', slip)
    }
    assert.equal(parseArmour(scheme, 'heddle-account-1', text, MAX).kind, 'malformed')
    const renamed = text.replace('join', 'statement')
    assert.equal(parseArmour(scheme, 'heddle-statement-1', renamed, MAX).kind, 'malformed')
  })

  it('is bounded before it is read', () => {
    const text = armourOf(scheme, 'heddle-join-1', new Uint8Array(1001))
    assert.equal(parseArmour(scheme, 'heddle-join-1', text, MAX).kind, 'malformed')
    assert.equal(parseArmour(scheme, 'heddle-join-1', ' '.repeat(10_000_000), MAX).kind, 'malformed')
  })
})
