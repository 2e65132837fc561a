/** Device certificates: what they say survives, and nothing else is believed. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import {
  accountNamed,
  bitFlipsOf,
  certificateOf,
  deviceNamed,
  NOW,
  scheme,
  signerNamed,
} from '../../../test/support/identity.ts'
import { asUnixMs } from '../ids.ts'
import { limit } from '../limits.ts'
import { AccountBook } from './account-book.ts'
import { type CanonicalMap, type CanonicalValue, decodeCanonical, encodeCanonical } from './canonical.ts'
import { issueDeviceCertificate, readDeviceCertificate, verifyDeviceCertificate } from './device-certificate.ts'
import type { IdentityRefusal } from './refusal.ts'
import { parseRoleMask, type RoleMask, rolesOf } from './roles.ts'
import { decodeSigned, encodeSigned, signValue } from './signed-value.ts'

const check = (bytes: Uint8Array, now = NOW): string => new AccountBook(scheme).checkCertificate(bytes, { now }).kind

/** The certificate with other fields, signed anew. */
function resigned(change: (fields: Map<number, CanonicalValue>) => void): Uint8Array {
  const signed = decodeSigned(certificateOf('ann', 'laptop'), ['device-certificate'], { maxBytes: 4096 })
  assert.ok(signed.kind === 'ok')
  const payload = decodeCanonical(signed.value.payload, { maxBytes: 4096 })
  assert.ok(payload.kind === 'ok')
  const fields = new Map(payload.value as CanonicalMap)
  change(fields)
  return encodeSigned(signValue('device-certificate', encodeCanonical(fields), [signerNamed('ann')]))
}

describe('a device certificate', () => {
  it('is read as it was issued, with the fields of later versions', () => {
    const extension = fc.tuple(
      fc.integer({ min: 32, max: 2 ** 40 }),
      fc.oneof(fc.nat(), fc.string({ unit: 'grapheme-ascii' })),
    )
    const certificate = fc.record({
      roles: fc.nat(2 ** 31 - 1).map((mask) => mask as RoleMask),
      notBefore: fc.nat(2 ** 42).map(asUnixMs),
      lifeMs: fc.integer({ min: 1, max: limit('certificateMaxMs') }),
      serial: fc.maxSafeNat(),
      extensions: fc.array(extension, { maxLength: 4 }).map((entries) => new Map(entries)),
    })
    fc.assert(
      fc.property(certificate, ({ lifeMs, ...each }) => {
        const expiresAt = asUnixMs(each.notBefore + lifeMs)
        const subject = { account: accountNamed('ann'), device: deviceNamed('laptop'), ...each, expiresAt }
        const bytes = issueDeviceCertificate(signerNamed('ann'), subject)
        const verified = verifyDeviceCertificate(scheme, bytes)
        assert.ok(verified.kind === 'ok')
        assert.deepEqual(verified.value, { ...subject, accountKey: signerNamed('ann').publicKey })
        // Whoever passes it on with fields that it has no names for passes on the same bytes.
        assert.deepEqual(issueDeviceCertificate(signerNamed('ann'), verified.value), bytes)
      }),
      { numRuns: 50 },
    )
  })

  it('is refused in whichever bit it is changed', () => {
    const bytes = certificateOf('ann', 'laptop', { extensions: new Map([[40, 'kept']]) })
    assert.equal(check(bytes), 'ok')
    const verdicts = new Map<string, number>()
    for (const { flipped } of bitFlipsOf(bytes)) {
      const verdict = verifyDeviceCertificate(scheme, flipped).kind
      verdicts.set(verdict, (verdicts.get(verdict) ?? 0) + 1)
    }
    assert.equal(verdicts.get('ok'), undefined)
    assert.deepEqual([...verdicts.keys()].sort(), ['bad_signature', 'malformed', 'unsupported_version'])
  })

  it('counts 15 minutes longer than it says, at both ends, and no millisecond more', () => {
    const bytes = certificateOf('ann', 'laptop')
    const [tolerance, end] = [limit('clockToleranceMs'), NOW + limit('certificateMs')]
    assert.equal(tolerance, 15 * 60_000)
    assert.equal(check(bytes, asUnixMs(NOW - tolerance)), 'ok')
    assert.equal(check(bytes, asUnixMs(NOW - tolerance - 1)), 'not_yet_valid')
    assert.equal(check(bytes, asUnixMs(end + tolerance - 1)), 'ok')
    assert.equal(check(bytes, asUnixMs(end + tolerance)), 'expired')
  })

  it('is refused when something in it makes no sense, though it is signed', () => {
    const cases: readonly (readonly [
      string,
      (fields: Map<number, CanonicalValue>) => void,
      IdentityRefusal['kind'] | 'ok',
    ])[] = [
      ['nothing changed', () => {}, 'ok'],
      ['a field of a later version', (fields) => fields.set(32, [1, 2]), 'ok'],
      ['a role of a later version', (fields) => fields.set(4, 2 ** 30 + 1), 'ok'],
      ['a field without a name', (fields) => fields.set(31, 1), 'malformed'],
      ['version 2', (fields) => fields.set(0, 2), 'unsupported_version'],
      ['no version', (fields) => fields.delete(0), 'malformed'],
      ['no device', (fields) => fields.delete(3), 'malformed'],
      ['a device key of small order', (fields) => fields.set(3, new Uint8Array(32)), 'malformed'],
      [
        'an account key of small order',
        (fields) => fields.set(2, Uint8Array.of(1, ...new Uint8Array(31))),
        'malformed',
      ],
      ['a short device key', (fields) => fields.set(3, new Uint8Array(31)), 'malformed'],
      ['roles below zero', (fields) => fields.set(4, -1), 'malformed'],
      ['roles of 32 bits', (fields) => fields.set(4, 2 ** 31), 'malformed'],
      ['an end before the beginning', (fields) => fields.set(6, NOW), 'malformed'],
      ['a life of a thousand years', (fields) => fields.set(6, NOW * 20), 'malformed'],
      ['a text as serial', (fields) => fields.set(7, '1'), 'malformed'],
      ['another key than signed', (fields) => fields.set(2, signerNamed('bob').publicKey), 'bad_signature'],
      ['another account', (fields) => fields.set(1, new Uint8Array(32)), 'unknown_account_key'],
    ]
    for (const [what, change, verdict] of cases) assert.equal(check(resigned(change)), verdict, what)
  })

  it('keeps roles that it has no names for', () => {
    const read = readDeviceCertificate(resigned((fields) => fields.set(4, 2 ** 30 + 1)))
    assert.ok(read.kind === 'ok')
    assert.equal(read.value.certificate.roles, 2 ** 30 + 1)
    assert.deepEqual(rolesOf(read.value.certificate.roles), ['provider'])
    assert.equal(parseRoleMask(0.5), undefined)
  })

  it('is not issued for no time, or for ever', () => {
    assert.throws(() => certificateOf('ann', 'laptop', { expiresAt: NOW }), RangeError)
    assert.throws(
      () => certificateOf('ann', 'laptop', { expiresAt: asUnixMs(NOW + limit('certificateMaxMs') + 1) }),
      RangeError,
    )
  })
})
