/** An account moves to other machines, and to another key. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { identityInMemory, NOW } from '../../test/support/identity.ts'
import { keySealer } from '../adapters/system/sealed-key.ts'
import { AccountBook } from '../core/identity/account-book.ts'
import { roleMaskOf } from '../core/identity/roles.ts'
import { limit } from '../core/limits.ts'
import { exportAccount, importAccount, rotateAccount } from './account-actions.ts'
import { revokeDevice, showIdentity } from './identity-actions.ts'
import { openOwnIdentity } from './open-own-identity.ts'

const options = { passphrase: undefined, roles: roleMaskOf(['provider']) }
const exportPassphrase = 'eight tame ponies'
const importing = { ...options, exportPassphrase, mayReplace: false }
const exporting = { passphrase: undefined, exportPassphrase }

const machine = (): ReturnType<typeof identityInMemory> & { readonly sealer: ReturnType<typeof keySealer> } => ({
  ...identityInMemory(),
  sealer: keySealer({ logN: 4, r: 8, p: 1 }),
})

describe('an exported account', () => {
  it('makes another machine a device of it, before its first start', async () => {
    const [one, two] = [machine(), machine()]
    const { account, device } = await openOwnIdentity(one, options)
    const text = await exportAccount(one, exporting)
    assert.match(text, /^heddle-account-1\.[\w-]+$/)
    const imported = await importAccount(two, text, importing)
    assert.equal(imported.account, account)
    assert.equal(imported.isUnchanged, false)
    const identity = await openOwnIdentity(two, options)
    assert.equal(identity.account, account)
    assert.notEqual(identity.device, device)
    assert.deepEqual(identity.certificate().bytes, imported.bytes)
    assert.equal((await importAccount(two, text, importing)).isUnchanged, true)
  })

  it('brings along what the account said', async () => {
    const [one, two] = [machine(), machine()]
    const first = await openOwnIdentity(one, options)
    const stolen = await openOwnIdentity(machine(), options)
    await revokeDevice(one, stolen.device, { reason: 'stolen', passphrase: undefined })
    await rotateAccount(one, options)
    await importAccount(two, await exportAccount(one, exporting), importing)
    const view = await showIdentity({ ...two, book: new AccountBook(two.verifier) })
    assert.equal(view?.account, first.account)
    assert.equal(view?.accountRotations, 1)
    assert.equal(view?.endedDevices, 1)
    assert.equal(view?.certificate?.state, 'valid')
  })

  it('replaces another account only when asked to, and keeps its key', async () => {
    const [one, two] = [machine(), machine()]
    const { account } = await openOwnIdentity(one, options)
    const before = await openOwnIdentity(two, options)
    const text = await exportAccount(one, exporting)
    await assert.rejects(importAccount(two, text, importing), { code: 'conflict' })
    assert.equal((await showIdentity(two))?.account, before.account)
    await importAccount(two, text, { ...importing, mayReplace: true })
    const after = await openOwnIdentity(two, options)
    assert.equal(after.account, account)
    assert.equal(after.device, before.device)
  })

  it('opens with its passphrase only, and is refused when damaged, too old or something else', async () => {
    const [one, two] = [machine(), machine()]
    await openOwnIdentity(one, options)
    const text = await exportAccount(one, exporting)
    const wrong = { ...importing, exportPassphrase: 'eight tame zebras' }
    await assert.rejects(importAccount(two, text, wrong), { code: 'wrong_passphrase' })
    for (const other of [text.slice(0, -1), `${text}A`, text.replace('account', 'join'), '', 'hello']) {
      await assert.rejects(importAccount(two, other, importing), { code: 'invalid_request' })
    }
    assert.equal(await showIdentity(two), undefined)
    await assert.rejects(exportAccount(one, { ...exporting, exportPassphrase: 'short' }), { code: 'usage' })
    await assert.rejects(exportAccount(two, exporting), { code: 'not_found' })
    // The export is of the first key; the account has another by now, and the machine knows it.
    await rotateAccount(one, options)
    await assert.rejects(importAccount(one, text, importing), { code: 'conflict' })
  })

  it('never shows the key', async () => {
    const one = machine()
    await openOwnIdentity(one, options)
    const seed = Buffer.from((await one.store.open('account', options)) ?? [])
    const text = await exportAccount(one, exporting)
    assert.ok(!Buffer.from(text.split('.')[1] ?? '', 'base64url').includes(seed))
  })
})

describe('rotateAccount', () => {
  it('keeps the account, its devices’ ids and this machine’s place, and nobody believes the old key any more', async () => {
    const one = machine()
    const before = await openOwnIdentity(one, options)
    const { account, statements } = await rotateAccount(one, options)
    assert.equal(account, before.account)
    const after = await openOwnIdentity({ ...one, book: new AccountBook(one.verifier) }, options)
    assert.equal(after.account, before.account)
    assert.equal(after.device, before.device)
    const elsewhere = new AccountBook(one.verifier)
    assert.equal(elsewhere.checkCertificate(after.certificate().bytes, { now: NOW }).kind, 'unknown_account_key')
    elsewhere.addAll(statements)
    assert.equal(elsewhere.checkCertificate(after.certificate().bytes, { now: NOW }).kind, 'ok')
    assert.equal(elsewhere.checkCertificate(before.certificate().bytes, { now: NOW }).kind, 'superseded')
  })

  it('tells the account’s other machines to import again', async () => {
    const [one, two] = [machine(), machine()]
    await openOwnIdentity(one, options)
    await importAccount(two, await exportAccount(one, exporting), importing)
    const running = await openOwnIdentity(two, options)
    const { statements } = await rotateAccount(one, options)
    two.book.addAll(statements)
    await assert.rejects(running.renewIfDue(), {
      code: 'identity_refused',
      details: { fix: 'heddle identity import <file>' },
    })
    await importAccount(two, await exportAccount(one, exporting), importing)
    assert.equal((await openOwnIdentity(two, options)).device, running.device)
  })

  it('has an end', async () => {
    const one = machine()
    await openOwnIdentity(one, options)
    for (let count = 0; count < limit('accountRotations'); count += 1) await rotateAccount(one, options)
    await assert.rejects(rotateAccount(one, options), { code: 'conflict' })
    assert.equal((await showIdentity(one))?.certificate?.state, 'valid')
  })
})
