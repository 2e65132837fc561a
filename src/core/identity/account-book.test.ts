/** The book believes what an account said, whatever the order in which it heard it, and nothing that others say for it. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import {
  accountNamed,
  accountRotationOf,
  bitFlipsOf,
  certificateOf,
  deviceNamed,
  deviceRotationOf,
  NOW,
  revocationOf,
  scheme,
  signerNamed,
} from '../../../test/support/identity.ts'
import { MemoryKeySource, MemoryVerifier } from '../../adapters/memory/memory-signer.ts'
import { asUnixMs } from '../ids.ts'
import { limit } from '../limits.ts'
import { AccountBook, type CertificateExpectations } from './account-book.ts'
import { accountIdOf } from './account-id.ts'
import { hexOf } from './bytes.ts'
import type { PublicKey } from './ed25519-rules.ts'
import { refusalText } from './refusal.ts'
import { ALL_SERIALS, issueRevocation } from './revocation.ts'

const ann = accountNamed('ann')

function bookWith(...statements: readonly Uint8Array[]): AccountBook {
  const book = new AccountBook(scheme)
  for (const each of statements) assert.equal(book.add(each).kind, 'added')
  return book
}

const verdict = (book: AccountBook, certificate: Uint8Array, expected: Partial<CertificateExpectations> = {}): string =>
  book.checkCertificate(certificate, { now: NOW, ...expected }).kind

const stateOf = (book: AccountBook): readonly string[] =>
  [...book.accounts()].sort().map((account) => `${account} ${hexOf(book.digestOf(account) ?? new Uint8Array())}`)

describe('certificates in the book', () => {
  it('are those of the expected device, account and role', () => {
    const book = new AccountBook(scheme)
    const certificate = certificateOf('ann', 'laptop')
    const same = { device: deviceNamed('laptop'), account: ann, role: 'provider' } as const
    assert.equal(verdict(book, certificate, same), 'ok')
    assert.equal(verdict(book, certificate, { ...same, device: deviceNamed('phone') }), 'wrong_device')
    assert.equal(verdict(book, certificate, { ...same, account: accountNamed('bob') }), 'wrong_account')
    assert.equal(verdict(book, certificate, { ...same, role: 'relay' }), 'missing_role')
  })

  it('cannot be made for an account by somebody else', () => {
    assert.equal(
      verdict(new AccountBook(scheme), certificateOf('ann', 'laptop', { by: 'mallory' })),
      'unknown_account_key',
    )
  })

  it('are verified once, and their times and revocation each time', () => {
    let verifications = 0
    const counting = {
      verify: (key: PublicKey, message: Uint8Array, signature: Uint8Array): boolean => {
        verifications += 1
        return scheme.verify(key, message, signature)
      },
      sha256: (bytes: Uint8Array): Uint8Array => scheme.sha256(bytes),
    }
    const book = new AccountBook(counting)
    const certificate = certificateOf('ann', 'laptop')
    assert.equal(verdict(book, certificate), 'ok')
    assert.equal(verdict(book, certificate.slice()), 'ok')
    assert.equal(verifications, 1)
    assert.equal(verdict(book, certificate, { now: asUnixMs(0) }), 'not_yet_valid')
    book.add(revocationOf('ann', 'laptop'))
    assert.equal(verdict(book, certificate), 'revoked')
    assert.equal(verifications, 2)
  })
})

describe('revocations', () => {
  it('end a device and no other, of this account and no other', () => {
    const book = bookWith(revocationOf('ann', 'laptop'))
    assert.equal(verdict(book, certificateOf('ann', 'laptop')), 'revoked')
    assert.equal(verdict(book, certificateOf('ann', 'laptop', { serial: ALL_SERIALS })), 'revoked')
    assert.equal(verdict(book, certificateOf('ann', 'phone')), 'ok')
    assert.equal(verdict(book, certificateOf('bob', 'laptop')), 'ok')
    assert.deepEqual(
      book.endsOf(ann).map(({ device }) => device),
      [deviceNamed('laptop')],
    )
  })

  it('end certificates up to a serial, and cannot be taken back by an older one', () => {
    const book = bookWith(revocationOf('ann', 'laptop', { throughSerial: 5 }))
    assert.equal(verdict(book, certificateOf('ann', 'laptop', { serial: 5 })), 'revoked')
    assert.equal(verdict(book, certificateOf('ann', 'laptop', { serial: 6 })), 'ok')
    assert.equal(book.add(revocationOf('ann', 'laptop', { throughSerial: 4 })).kind, 'known')
    assert.equal(book.add(revocationOf('ann', 'laptop', { throughSerial: 7 })).kind, 'added')
    assert.equal(verdict(book, certificateOf('ann', 'laptop', { serial: 6 })), 'revoked')
  })

  it('are refused from anybody but the account, and in whichever bit they are changed', () => {
    const book = new AccountBook(scheme)
    assert.equal(book.add(revocationOf('ann', 'laptop', { by: 'mallory' })).kind, 'unknown_account_key')
    for (const { bit, flipped } of bitFlipsOf(revocationOf('ann', 'laptop'))) {
      assert.notEqual(book.add(flipped).kind, 'added', `bit ${bit}`)
    }
    assert.deepEqual(stateOf(book), [])
    assert.equal(verdict(book, certificateOf('ann', 'laptop')), 'ok')
  })

  it('are known the second time', () => {
    const book = bookWith(revocationOf('ann', 'laptop'))
    assert.deepEqual(book.add(revocationOf('ann', 'laptop')), { kind: 'known', account: ann })
  })

  it('are held of so many accounts and no more', () => {
    const cheap = new MemoryVerifier()
    const keys = new MemoryKeySource('many accounts')
    const book = new AccountBook(cheap)
    const device = deviceNamed('laptop')
    const extensions = new Map()
    const add = (): string => {
      const key = keys.signerOf(keys.newSeed())
      const account = accountIdOf(cheap, key.publicKey)
      const revocation = { account, device, throughSerial: 1, revokedAt: NOW, reasonCode: 0, extensions }
      return book.add(issueRevocation(key, revocation)).kind
    }
    for (let count = 0; count < limit('knownAccounts'); count += 1) assert.equal(add(), 'added')
    assert.equal(add(), 'full')
    assert.equal([...book.accounts()].length, limit('knownAccounts'))
  })

  it('are held up to a bound, each account apart', () => {
    const book = new AccountBook(scheme)
    for (let count = 0; count < limit('revocationsPerAccount'); count += 1) {
      assert.equal(book.add(revocationOf('ann', `device ${count}`)).kind, 'added')
    }
    assert.deepEqual(book.add(revocationOf('ann', 'one more')), { kind: 'full', what: 'revocations' })
    assert.equal(book.add(revocationOf('bob', 'one more')).kind, 'added')
  })
})

describe('device rotations', () => {
  it('tell who the device is now, and end the old one', () => {
    const book = bookWith(deviceRotationOf('ann', 'laptop', 'laptop 2'))
    assert.equal(verdict(book, certificateOf('ann', 'laptop')), 'revoked')
    assert.equal(verdict(book, certificateOf('ann', 'laptop 2')), 'ok')
    const end = book.endOf(ann, deviceNamed('laptop'))
    assert.equal(end?.kind === 'device-rotation' && end.newDevice, deviceNamed('laptop 2'))
  })

  it('need the old key, the new key and the account, in whichever bit they are changed', () => {
    const book = new AccountBook(scheme)
    assert.equal(book.add(deviceRotationOf('ann', 'laptop', 'laptop 2', { by: 'mallory' })).kind, 'unknown_account_key')
    for (const { bit, flipped } of bitFlipsOf(deviceRotationOf('ann', 'laptop', 'laptop 2'))) {
      assert.notEqual(book.add(flipped).kind, 'added', `bit ${bit}`)
    }
    assert.deepEqual(stateOf(book), [])
  })
})

describe('account rotations', () => {
  const first = accountRotationOf('ann', 1, 'ann', 'ann 2')
  const second = accountRotationOf('ann', 2, 'ann 2', 'ann 3')

  it('give the account a new key; certificates of the old one count no more', () => {
    const book = bookWith(first)
    assert.equal(verdict(book, certificateOf('ann', 'laptop')), 'superseded')
    assert.equal(verdict(book, certificateOf('ann', 'laptop', { by: 'ann 2' })), 'ok')
    assert.equal(book.add(second).kind, 'added')
    assert.equal(verdict(book, certificateOf('ann', 'laptop', { by: 'ann 2' })), 'superseded')
    assert.equal(verdict(book, certificateOf('ann', 'laptop', { by: 'ann 3' })), 'ok')
    assert.equal(book.rotationsOf(ann), 2)
    assert.equal(book.accountOf(signerNamed('ann 3').publicKey), ann)
    assert.equal(book.accountOf(signerNamed('ann').publicKey), ann)
    assert.equal(book.accountOf(signerNamed('bob').publicKey), accountNamed('bob'))
  })

  it('leave revocations in force, those of the old key and of the new', () => {
    const book = bookWith(revocationOf('ann', 'laptop'), first, revocationOf('ann', 'phone', { by: 'ann 2' }))
    assert.equal(verdict(book, certificateOf('ann', 'laptop', { by: 'ann 2' })), 'revoked')
    assert.equal(verdict(book, certificateOf('ann', 'phone', { by: 'ann 2' })), 'revoked')
  })

  it('are refused with a gap, from another key, back to an old key, and in whichever bit they are changed', () => {
    const book = new AccountBook(scheme)
    assert.equal(book.add(second).kind, 'unknown_account_key')
    assert.equal(book.add(accountRotationOf('ann', 1, 'mallory', 'ann 2')).kind, 'unknown_account_key')
    for (const { bit, flipped } of bitFlipsOf(first)) assert.notEqual(book.add(flipped).kind, 'added', `bit ${bit}`)
    assert.deepEqual(stateOf(book), [])
    book.add(first)
    assert.equal(book.add(accountRotationOf('ann', 2, 'ann 2', 'ann')).kind, 'malformed')
    assert.equal(book.add(accountRotationOf('ann', 2, 'ann', 'ann 3')).kind, 'unknown_account_key')
    assert.deepEqual(book.add(accountRotationOf('ann', limit('accountRotations') + 1, 'ann 2', 'ann 3')), {
      kind: 'full',
      what: 'rotations',
    })
  })

  it('of one number and two successors are a fork, after which no key is believed', () => {
    const book = bookWith(first, second, revocationOf('ann', 'laptop'))
    assert.equal(book.add(accountRotationOf('ann', 1, 'ann', 'thief')).kind, 'added')
    for (const by of ['ann', 'ann 2', 'ann 3', 'thief']) {
      assert.equal(verdict(book, certificateOf('ann', 'laptop', { by })), 'forked')
    }
    assert.equal(book.add(second).kind, 'forked')
    assert.equal(book.add(revocationOf('ann', 'phone')).kind, 'forked')
    assert.equal(book.accountOf(signerNamed('ann 2').publicKey), ann)
    // Whoever hears of it is given both.
    const other = new AccountBook(scheme)
    other.addAll(book.statementsOf(ann))
    assert.deepEqual(stateOf(other), stateOf(book))
  })
})

describe('books', () => {
  const statements = [
    accountRotationOf('ann', 1, 'ann', 'ann 2'),
    accountRotationOf('ann', 2, 'ann 2', 'ann 3'),
    accountRotationOf('ann', 3, 'ann 3', 'ann 4'),
    revocationOf('ann', 'laptop', { throughSerial: 3 }),
    revocationOf('ann', 'laptop', { throughSerial: 3, revokedAt: asUnixMs(NOW + 1) }),
    revocationOf('ann', 'laptop', { by: 'ann 2', throughSerial: 9 }),
    revocationOf('ann', 'phone', { by: 'ann 4' }),
    deviceRotationOf('ann', 'phone', 'phone 2', { by: 'ann 3' }),
    deviceRotationOf('ann', 'phone', 'phone 3', { by: 'ann 3' }),
    revocationOf('bob', 'laptop'),
    accountRotationOf('bob', 1, 'bob', 'bob 2'),
  ]
  const forks = [
    accountRotationOf('ann', 2, 'ann 2', 'thief'),
    accountRotationOf('ann', 2, 'ann 2', 'another thief'),
    accountRotationOf('ann', 3, 'ann 3', 'thief'),
    accountRotationOf('bob', 1, 'bob', 'thief'),
  ]

  for (const [what, all] of [
    ['', statements],
    [' and forks', [...statements, ...forks]],
  ] as const) {
    it(`that heard the same statements${what} hold the same, whatever the order and however often`, () => {
      // Two orders of the same statements.
      const heard = fc.shuffledSubarray([...all], { minLength: 1 })
      const order = fc.shuffledSubarray([...all], { minLength: all.length })
      fc.assert(
        fc.property(heard, order, (some, orderly) => {
          const shuffled = orderly.filter((each) => some.includes(each))
          const [one, other, third] = [new AccountBook(scheme), new AccountBook(scheme), new AccountBook(scheme)]
          one.addAll(some)
          other.addAll([...shuffled, ...some])
          assert.deepEqual(stateOf(one), stateOf(other))
          // One at a time and then all again, as gossip and a later sync bring them.
          for (const each of shuffled) third.add(each)
          third.addAll(some)
          assert.deepEqual(stateOf(third), stateOf(one))
          assert.deepEqual(third.addAll(some), [])
        }),
        { numRuns: 100 },
      )
    })
  }

  it('pass on what they hold, in an order that needs no second try', () => {
    const book = new AccountBook(scheme)
    book.addAll(statements.toReversed())
    const other = bookWith(...[...book.accounts()].flatMap((account) => book.statementsOf(account)))
    assert.deepEqual(stateOf(other), stateOf(book))
    assert.equal(book.digestOf(accountNamed('nobody')), undefined)
    assert.deepEqual(book.statementsOf(accountNamed('nobody')), [])
  })

  it('refuse bytes that are no statement', () => {
    const book = new AccountBook(scheme)
    for (const bytes of [new Uint8Array(), new Uint8Array(5000), certificateOf('ann', 'laptop'), Uint8Array.of(0xa0)]) {
      const added = book.add(bytes)
      assert.ok(added.kind === 'malformed')
      assert.match(refusalText(added), /^it cannot be read: /)
    }
  })
})
