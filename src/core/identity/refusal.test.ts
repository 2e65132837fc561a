/** What people are told of a refusal names the cause, and the clocks where they are at fault. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { certificateOf, NOW, scheme } from '../../../test/support/identity.ts'
import { asUnixMs } from '../ids.ts'
import { AccountBook } from './account-book.ts'
import { refusalText } from './refusal.ts'

describe('refusalText', () => {
  it('says how far apart the clocks are', () => {
    const book = new AccountBook(scheme)
    const certificate = certificateOf('ann', 'laptop')
    const behind = book.checkCertificate(certificate, { now: asUnixMs(NOW - 20 * 60_000) })
    assert.ok(behind.kind === 'not_yet_valid')
    assert.equal(refusalText(behind), 'it begins in 20 min by this machine’s clock; one of the two clocks is wrong')
    const later = book.checkCertificate(certificate, { now: asUnixMs(NOW + 93 * 24 * 3_600_000) })
    assert.ok(later.kind === 'expired')
    assert.equal(refusalText(later), 'it ended 3 days ago by this machine’s clock')
  })

  it('has a sentence for the others', () => {
    assert.equal(refusalText({ kind: 'full', what: 'accounts' }), 'no more accounts are held')
    assert.equal(
      refusalText({ kind: 'unsupported_version', found: 2, supported: 1 }),
      'it has version 2, this program reads version 1',
    )
    assert.equal(refusalText({ kind: 'wrong_device', expected: 'a', found: 'b' }), 'it belongs to device b, not a')
  })
})
