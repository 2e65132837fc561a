/** What the commands of `heddle identity` do, and what a crash in the middle of them leaves. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { certificateOf, deviceNamed, identityInMemory, NOW } from '../../test/support/identity.ts'
import { AccountBook } from '../core/identity/account-book.ts'
import { issueDeviceCertificate } from '../core/identity/device-certificate.ts'
import { roleMaskOf } from '../core/identity/roles.ts'
import { asUnixMs } from '../core/ids.ts'
import type { IdentityStore } from '../ports/identity-store.ts'
import { rotateAccount } from './account-actions.ts'
import { listDevices, revokeDevice, rotateDevice, showIdentity } from './identity-actions.ts'
import { openOwnIdentity } from './open-own-identity.ts'
import type { IdentityDeps } from './own-certificate.ts'

const options = { passphrase: undefined, roles: roleMaskOf(['provider', 'gateway']) }
const sealed = { ...options, passphrase: 'seven wild horses' }
const lost = { reason: 'lost', passphrase: undefined } as const

/** The same files, seen by a process that was started anew. */
const restarted = <Deps extends IdentityDeps>(deps: Deps): Deps => ({ ...deps, book: new AccountBook(deps.verifier) })

/** A certificate of the machine's own account for another device of it. */
async function certificateFor(deps: IdentityDeps, name: string, serial = 1): Promise<Uint8Array> {
  const seed = await deps.store.open('account', options)
  assert.ok(seed)
  const key = deps.keys.signerOf(seed)
  const account = deps.book.accountOf(key.publicKey)
  return issueDeviceCertificate(key, {
    account,
    device: deviceNamed(name),
    roles: options.roles,
    notBefore: NOW,
    expiresAt: asUnixMs(NOW + 1000),
    serial,
    extensions: new Map(),
  })
}

/** A store whose process dies before its `count`th change. */
function dyingStore(store: IdentityStore, count: number): IdentityStore {
  let changes = 0
  const alive =
    <Arguments extends readonly unknown[]>(change: (...given: Arguments) => Promise<void>) =>
    async (...given: Arguments): Promise<void> => {
      changes += 1
      if (changes >= count) throw new Error('the process died')
      await change(...given)
    }
  return {
    describe: (name) => store.describe(name),
    open: (name, given) => store.open(name, given),
    readCertificate: (device) => store.readCertificate(device),
    write: alive((...given) => store.write(...given)),
    move: alive((...given) => store.move(...given)),
    remove: alive((...given) => store.remove(...given)),
    setAside: alive((...given) => store.setAside(...given)),
    writeCertificate: alive((...given) => store.writeCertificate(...given)),
    statements: {
      read: () => store.statements.read(),
      append: alive((...given) => store.statements.append(...given)),
      replace: alive((...given) => store.statements.replace(...given)),
    },
  }
}

describe('showIdentity', () => {
  it('shows nothing before the first start, and everything after it', async () => {
    const deps = identityInMemory()
    assert.equal(await showIdentity(deps), undefined)
    const { account, device } = await openOwnIdentity(deps, options)
    const view = await showIdentity(restarted(deps))
    assert.equal(view?.account, account)
    assert.equal(view?.device, device)
    assert.equal(view?.accountKey, 'here')
    assert.equal(view?.certificate?.state, 'valid')
    assert.deepEqual(view?.certificate?.roles, ['provider', 'gateway'])
  })

  it('needs no passphrase, and says what is wrong', async () => {
    const deps = identityInMemory()
    await openOwnIdentity(deps, sealed)
    deps.clock.at = asUnixMs(NOW + 100 * 24 * 3_600_000)
    const view = await showIdentity(restarted(deps))
    assert.equal(view?.accountKey, 'sealed')
    assert.equal(view?.certificate?.state, 'expired')
    assert.equal(view?.certificate?.reason, 'it ended 10 days ago by this machine’s clock')
    await deps.store.remove('account')
    assert.equal((await showIdentity(restarted(deps)))?.accountKey, 'absent')
  })
})

describe('listDevices and revokeDevice', () => {
  it('list this device first, then those of the account that the registry knows, each once with its newest certificate', async () => {
    const deps = identityInMemory()
    assert.deepEqual(await listDevices(deps, []), [])
    const { device, account } = await openOwnIdentity(deps, options)
    const phone = await certificateFor(deps, 'phone', 5)
    const forged = certificateOf('mallory', 'tablet', { account })
    const known = [await certificateFor(deps, 'phone', 4), phone, await certificateFor(deps, 'phone', 3)]
    const listed = await listDevices(deps, [...known, certificateOf('bob', 'tv'), Uint8Array.of(1), forged])
    assert.deepEqual(
      listed.map((each) => [each.device, each.isThisDevice, each.certificate?.state, each.certificate?.serial]),
      [
        [device, true, 'valid', NOW],
        [deviceNamed('phone'), false, 'valid', 5],
      ],
    )
  })

  it('revoke once, for good, and across a restart', async () => {
    const deps = identityInMemory()
    await openOwnIdentity(deps, options)
    const phone = await certificateFor(deps, 'phone')
    const { statements } = await revokeDevice(deps, deviceNamed('phone'), lost)
    assert.equal(statements.length, 1)
    assert.deepEqual((await revokeDevice(restarted(deps), deviceNamed('phone'), lost)).statements, [])
    assert.equal((await deps.store.statements.read()).length, 1)
    const later = restarted(deps)
    const row = (await listDevices(later, [phone])).find((each) => each.device === deviceNamed('phone'))
    assert.equal(row?.certificate?.state, 'revoked')
    assert.deepEqual(row?.end, { endedAt: NOW, reason: 'lost', successor: undefined })
    // Every other node, told by the statement alone, refuses it too.
    const elsewhere = new AccountBook(deps.verifier)
    elsewhere.addAll(statements)
    assert.equal(elsewhere.checkCertificate(phone, { now: NOW }).kind, 'revoked')
    // A device that only its end is known of is listed all the same.
    const [, ended] = await listDevices(later, [])
    assert.equal(ended?.device, deviceNamed('phone'))
    assert.equal(ended?.certificate, undefined)
  })

  it('do not let a machine lock itself out, nor sign without the key', async () => {
    const deps = identityInMemory()
    const { device } = await openOwnIdentity(deps, sealed)
    const unlocked = { ...lost, passphrase: sealed.passphrase }
    await assert.rejects(revokeDevice(deps, device, unlocked), { code: 'conflict' })
    await assert.rejects(revokeDevice(deps, deviceNamed('phone'), lost), { code: 'key_locked' })
    await deps.store.remove('account')
    await assert.rejects(revokeDevice(deps, deviceNamed('phone'), unlocked), { code: 'not_found' })
    assert.deepEqual(await deps.store.statements.read(), [])
  })
})

describe('rotateDevice', () => {
  it('gives the machine a new peer id under the same account; others learn both from one statement', async () => {
    const deps = identityInMemory()
    const before = await openOwnIdentity(deps, options)
    const { device, statements } = await rotateDevice(restarted(deps), options)
    const after = await openOwnIdentity(restarted(deps), options)
    assert.equal(after.device, device)
    assert.notEqual(after.device, before.device)
    assert.equal(after.account, before.account)
    const elsewhere = new AccountBook(deps.verifier)
    elsewhere.addAll(statements)
    assert.equal(elsewhere.checkCertificate(before.certificate().bytes, { now: NOW }).kind, 'revoked')
    assert.equal(elsewhere.checkCertificate(after.certificate().bytes, { now: NOW, device }).kind, 'ok')
    const end = elsewhere.endOf(before.account, before.device)
    assert.equal(end?.kind === 'device-rotation' && end.newDevice, device)
  })

  it('brings a revoked machine back under a new key', async () => {
    const deps = identityInMemory()
    const before = await openOwnIdentity(deps, options)
    const seed = await deps.store.open('account', options)
    assert.ok(seed)
    // Another machine of the account revokes it, and the network tells this one.
    const other = identityInMemory()
    await other.store.write('account', seed, options)
    await deps.store.statements.append((await revokeDevice(other, before.device, lost)).statements)
    await assert.rejects(openOwnIdentity(restarted(deps), options), { code: 'identity_refused' })
    await rotateDevice(restarted(deps), options)
    const after = await openOwnIdentity(restarted(deps), options)
    assert.equal(after.account, before.account)
    assert.notEqual(after.device, before.device)
  })

  it('does nothing where the account’s key is locked or not here', async () => {
    const deps = identityInMemory()
    await assert.rejects(rotateDevice(deps, options), { code: 'not_found' })
    const { device } = await openOwnIdentity(deps, options)
    const seed = await deps.store.open('account', options)
    assert.ok(seed)
    await deps.store.write('account', seed, sealed)
    await assert.rejects(rotateDevice(deps, options), { code: 'key_locked' })
    await deps.store.remove('account')
    await assert.rejects(rotateDevice(deps, options), { code: 'not_found' })
    assert.equal((await showIdentity(restarted(deps)))?.device, device)
  })
})

describe('a crash', () => {
  for (const [what, rotate] of [
    ['of rotateDevice', rotateDevice],
    ['of rotateAccount', rotateAccount],
  ] as const) {
    it(`in whichever step ${what} leaves a machine that starts, with the old key or the new`, async () => {
      const outcomes = new Set<string>()
      for (let step = 1; step <= 8; step += 1) {
        const deps = identityInMemory()
        const before = await openOwnIdentity(deps, options)
        const dying = { ...restarted(deps), store: dyingStore(deps.store, step) }
        const isDead = await rotate(dying, options).then(
          () => false,
          (error: unknown) => error instanceof Error && error.message === 'the process died',
        )
        const after = await openOwnIdentity(restarted(deps), options)
        assert.equal(after.account, before.account)
        const book = new AccountBook(deps.verifier)
        book.addAll(await deps.store.statements.read())
        const { device } = after
        assert.equal(book.checkCertificate(after.certificate().bytes, { now: NOW, device }).kind, 'ok')
        // No half of a rotation lies around.
        assert.equal(await deps.store.describe('next-device'), undefined)
        assert.equal(await deps.store.describe('next-account'), undefined)
        const isRotated = book.statementsOf(before.account).length > 0
        const stillCounts = book.checkCertificate(before.certificate().bytes, { now: NOW }).kind === 'ok'
        assert.equal(isRotated, !stillCounts)
        if (rotate === rotateDevice) assert.equal(device !== before.device, isRotated)
        outcomes.add(`${isDead ? 'died' : 'done'}, ${isRotated ? 'new' : 'old'}`)
      }
      assert.deepEqual([...outcomes].sort(), ['died, new', 'died, old', 'done, new'])
    })
  }
})
