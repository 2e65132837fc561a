/** A node's identity at its start: made once, kept, renewed in time, and never made up where the account says otherwise. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { accountNamed, certificateOf, identityInMemory, NOW, revocationOf } from '../../test/support/identity.ts'
import { AccountBook } from '../core/identity/account-book.ts'
import { issueRevocation } from '../core/identity/revocation.ts'
import { roleMaskOf } from '../core/identity/roles.ts'
import { asUnixMs } from '../core/ids.ts'
import { limit } from '../core/limits.ts'
import { openOwnIdentity } from './open-own-identity.ts'

const DAY_MS = 24 * 3_600_000
const options = { passphrase: undefined, roles: roleMaskOf(['provider']) }
const sealed = { ...options, passphrase: 'seven wild horses' }

describe('openOwnIdentity', () => {
  it('makes an account, a device and a certificate, and finds them again', async () => {
    const deps = identityInMemory()
    const first = await openOwnIdentity(deps, options)
    const { certificate, bytes } = first.certificate()
    assert.equal(certificate.account, first.account)
    assert.equal(certificate.device, first.device)
    assert.equal(certificate.expiresAt, NOW + limit('certificateMs'))
    const second = await openOwnIdentity({ ...deps, book: new AccountBook(deps.verifier) }, options)
    assert.equal(second.account, first.account)
    assert.equal(second.device, first.device)
    assert.deepEqual(second.certificate().bytes, bytes)
    assert.deepEqual(second.deviceSeed(), first.deviceSeed())
    // Any other node believes it.
    const elsewhere = new AccountBook(deps.verifier).checkCertificate(bytes, { now: NOW, device: first.device })
    assert.equal(elsewhere.kind, 'ok')
  })

  it('shows no secret when it is written out', async () => {
    const identity = await openOwnIdentity(identityInMemory(), options)
    const shown = JSON.stringify(identity)
    assert.ok(!shown.includes([...identity.deviceSeed()].join(',')))
    assert.ok(!shown.includes(Buffer.from(identity.deviceSeed()).toString('hex')))
  })

  it('renews the certificate a month before it ends, with a higher serial', async () => {
    const deps = identityInMemory()
    const identity = await openOwnIdentity(deps, options)
    const first = identity.certificate().certificate
    deps.clock.at = asUnixMs(first.expiresAt - 30 * DAY_MS - 1)
    assert.equal(await identity.renewIfDue(), false)
    deps.clock.at = asUnixMs(first.expiresAt - 30 * DAY_MS)
    assert.equal(await identity.renewIfDue(), true)
    const second = identity.certificate().certificate
    assert.ok(second.serial > first.serial)
    assert.equal(second.expiresAt, deps.clock.at + limit('certificateMs'))
    assert.deepEqual((await openOwnIdentity(deps, options)).certificate().certificate, second)
  })

  it('makes another certificate when the roles change, when it ended, and when the clock was wrong', async () => {
    const deps = identityInMemory()
    const first = (await openOwnIdentity(deps, options)).certificate().certificate
    const relay = { ...options, roles: roleMaskOf(['provider', 'relay']) }
    const second = (await openOwnIdentity(deps, relay)).certificate().certificate
    assert.equal(second.roles, relay.roles)
    assert.ok(second.serial > first.serial)
    deps.clock.at = asUnixMs(NOW + 365 * DAY_MS)
    const third = (await openOwnIdentity(deps, relay)).certificate().certificate
    assert.equal(third.notBefore, deps.clock.at)
    deps.clock.at = asUnixMs(NOW - 365 * DAY_MS)
    const fourth = (await openOwnIdentity(deps, relay)).certificate().certificate
    assert.equal(fourth.notBefore, deps.clock.at)
    assert.ok(fourth.serial > third.serial)
  })

  it('needs the passphrase for a sealed device key, and says so', async () => {
    const deps = identityInMemory()
    const { device } = await openOwnIdentity(deps, sealed)
    await assert.rejects(openOwnIdentity(deps, options), { code: 'key_locked' })
    const wrong = { ...options, passphrase: 'seven tame horses' }
    await assert.rejects(openOwnIdentity(deps, wrong), { code: 'wrong_passphrase' })
    assert.equal((await openOwnIdentity(deps, sealed)).device, device)
  })

  it('runs without the passphrase of the account key for as long as the certificate counts', async () => {
    const deps = identityInMemory()
    const { account } = await openOwnIdentity(deps, options)
    const seed = await deps.store.open('account', options)
    assert.ok(seed)
    await deps.store.write('account', seed, sealed)
    const identity = await openOwnIdentity(deps, options)
    assert.equal(identity.account, account)
    deps.clock.at = asUnixMs(identity.certificate().certificate.expiresAt - DAY_MS)
    assert.equal(await identity.renewIfDue(), false)
    deps.clock.at = asUnixMs(deps.clock.at + 2 * DAY_MS)
    await assert.rejects(identity.renewIfDue(), { code: 'key_locked' })
    assert.equal((await openOwnIdentity(deps, sealed)).account, account)
  })

  it('lives on a certificate that the owner made elsewhere, and makes no account of its own', async () => {
    const deps = identityInMemory()
    const { device } = await openOwnIdentity(deps, options)
    await deps.store.remove('account')
    const foreign = certificateOf('ann', 'laptop', { device, roles: options.roles })
    await deps.store.writeCertificate(device, foreign)
    const identity = await openOwnIdentity(deps, options)
    assert.equal(identity.account, accountNamed('ann'))
    assert.deepEqual(identity.certificate().bytes, foreign)
    assert.equal(await deps.store.describe('account'), undefined)
    deps.clock.at = asUnixMs(identity.certificate().certificate.expiresAt + DAY_MS)
    await assert.rejects(openOwnIdentity(deps, options), { code: 'identity_refused' })
  })

  it('does not come back when its account revoked the device, also after a restart', async () => {
    const deps = identityInMemory()
    const identity = await openOwnIdentity(deps, options)
    const seed = await deps.store.open('account', options)
    assert.ok(seed)
    const { account, device } = identity
    const subject = { account, device, throughSerial: Number.MAX_SAFE_INTEGER, revokedAt: NOW, reasonCode: 2 }
    const statement = issueRevocation(deps.keys.signerOf(seed), { ...subject, extensions: new Map() })
    // The network tells a running node.
    deps.book.add(statement)
    await assert.rejects(identity.renewIfDue(), {
      code: 'identity_refused',
      details: { fix: 'heddle identity rotate-device' },
    })
    await deps.store.statements.append([statement])
    const restarted = { ...deps, book: new AccountBook(deps.verifier) }
    await assert.rejects(openOwnIdentity(restarted, options), { code: 'identity_refused' })
  })

  it('outlives a revocation of its earlier certificates, and of somebody else’s device', async () => {
    const deps = identityInMemory()
    const identity = await openOwnIdentity(deps, options)
    const seed = await deps.store.open('account', options)
    assert.ok(seed)
    const { account, device } = identity
    const { serial } = identity.certificate().certificate
    const subject = { account, device, throughSerial: serial, revokedAt: NOW, reasonCode: 0, extensions: new Map() }
    deps.book.add(issueRevocation(deps.keys.signerOf(seed), subject))
    deps.book.add(revocationOf('ann', 'laptop'))
    assert.equal(await identity.renewIfDue(), true)
    assert.ok(identity.certificate().certificate.serial > serial)
  })
})
