/** Certificates of node records: what speaks against them, and whose nodes they make. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import {
  accountNamed,
  accountRotationOf,
  certificateOf,
  deviceNamed,
  NOW,
  revocationOf,
  scheme,
} from '../../test/support/identity.ts'
import { testService, withFlippedByte } from '../../test/support/registry-peer.ts'
import { AccountBook } from '../core/identity/account-book.ts'
import type { PublicKey } from '../core/identity/ed25519-rules.ts'
import { roleMaskOf } from '../core/identity/roles.ts'
import { asUnixMs } from '../core/ids.ts'
import { limit } from '../core/limits.ts'
import { CertificateCheck, type CertifiedRecord } from './certificate-check.ts'

const laptop = certificateOf('ada', 'laptop')
const recordOf = (certificate: Uint8Array, changes: Partial<CertifiedRecord> = {}): CertifiedRecord => ({
  peer: deviceNamed('laptop'),
  certificate,
  services: [testService()],
  ...changes,
})

/** Signatures that were checked count in `verifications`. */
function subject({ account = 'ada' } = {}) {
  const counts = { verifications: 0 }
  const counting = {
    sha256: (bytes: Uint8Array) => scheme.sha256(bytes),
    verify: (key: PublicKey, message: Uint8Array, signature: Uint8Array) => {
      counts.verifications += 1
      return scheme.verify(key, message, signature)
    },
  }
  const book = new AccountBook(counting)
  return { book, counts, check: new CertificateCheck({ book, account: accountNamed(account) }) }
}

describe('CertificateCheck', () => {
  it('has nothing against a certificate that counts, within the tolerance for clocks', () => {
    const { check } = subject()
    const tolerance = limit('clockToleranceMs')
    assert.equal(check.objectionTo(recordOf(laptop), NOW), undefined)
    assert.equal(check.objectionTo(recordOf(laptop), asUnixMs(NOW - tolerance)), undefined)
    const end = NOW + limit('certificateMs') + tolerance
    assert.equal(check.objectionTo(recordOf(laptop), asUnixMs(end - 1)), undefined)
    assert.match(check.objectionTo(recordOf(laptop), asUnixMs(end)) ?? '', /ended 15 min ago/)
    assert.match(check.objectionTo(recordOf(laptop), asUnixMs(NOW - tolerance - 1)) ?? '', /begins in 15 min/)
    assert.equal(check.objectionTo(recordOf(laptop), NOW), undefined)
  })

  it('says what is wrong with any other', () => {
    const { check } = subject()
    const objection = (...args: Parameters<typeof recordOf>): string => check.objectionTo(recordOf(...args), NOW) ?? ''
    assert.match(objection(new Uint8Array()), /no device certificate/)
    assert.match(objection(new Uint8Array(300).fill(7)), /cannot be read/)
    assert.match(objection(withFlippedByte(laptop, -1)), /signature is wrong/)
    assert.match(objection(laptop, { peer: deviceNamed('phone') }), /belongs to device/)
    assert.match(objection(certificateOf('ada', 'laptop', { by: 'mallory' })), /not known to be its account/)
    const idle = certificateOf('ada', 'laptop', { roles: roleMaskOf(['gateway']) })
    assert.match(objection(idle), /does not allow the role provider/)
    assert.equal(check.objectionTo(recordOf(idle, { services: [] }), NOW), undefined)
  })

  it('changes its mind as soon as the account has said more', () => {
    const { check, book } = subject()
    const renewed = certificateOf('ada', 'phone', { by: 'ada 2' })
    const phone = recordOf(renewed, { peer: deviceNamed('phone') })
    assert.match(check.objectionTo(phone, NOW) ?? '', /not known to be its account/)
    assert.equal(check.objectionTo(recordOf(laptop), NOW), undefined)
    book.add(revocationOf('ada', 'laptop'))
    assert.match(check.objectionTo(recordOf(laptop), NOW) ?? '', /revoked the device/)
    book.add(accountRotationOf('ada', 1, 'ada', 'ada 2'))
    assert.equal(check.objectionTo(phone, NOW), undefined)
  })

  it('checks the signature of the same bytes once', () => {
    const { check, book, counts } = subject()
    for (let round = 0; round < 3; round += 1) {
      for (let count = 0; count < 10; count += 1) check.objectionTo(recordOf(laptop.slice()), NOW)
      const { verifications } = counts
      book.add(revocationOf('bob', `phone ${round}`))
      assert.equal(counts.verifications, verifications + 1, 'only the statement’s own')
    }
    assert.equal(counts.verifications, 4)
  })

  it('trusts the machines of the own account as itself, and all others as the network', () => {
    const { check, book } = subject()
    const guest = recordOf(certificateOf('bob', 'phone'), { peer: deviceNamed('phone') })
    assert.equal(check.trustOf(recordOf(laptop), NOW), 'self')
    assert.equal(check.trustOf(guest, NOW), 'network')
    assert.deepEqual(check.ownDevices([guest, recordOf(laptop)], NOW), [deviceNamed('laptop')])
    const needed = check.accountsOf([guest, recordOf(new Uint8Array())], NOW)
    assert.deepEqual([...needed], [accountNamed('ada'), accountNamed('bob')])
    // Whoever writes our account's id into a certificate, or shows our certificate as theirs, is no machine of ours.
    assert.equal(check.trustOf(recordOf(laptop, { peer: deviceNamed('phone') }), NOW), 'network')
    assert.equal(check.trustOf(recordOf(certificateOf('ada', 'laptop', { by: 'mallory' })), NOW), 'network')
    assert.equal(check.trustOf(recordOf(laptop), asUnixMs(NOW + 2 * limit('certificateMs'))), 'network')
    book.add(revocationOf('ada', 'laptop'))
    assert.equal(check.trustOf(recordOf(laptop), NOW), 'network')
  })
})
