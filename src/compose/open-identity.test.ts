/** The identity of a node over real files. */
import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { chmod, readdir, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { temporaryFolder } from '../../test/support/tmp.ts'
import { rotateDevice } from '../accounts/identity-actions.ts'
import { peerIdOf } from '../core/identity/peer-id.ts'
import { roleMaskOf } from '../core/identity/roles.ts'
import { identityDeps, openIdentity } from './open-identity.ts'

const options = { passphrase: undefined, roles: roleMaskOf(['provider']) }

describe('openIdentity', () => {
  it('makes files that only their owner can read, and finds the same node again', async (t) => {
    const folder = join(await temporaryFolder(t), 'keys')
    const first = await openIdentity(folder)
    const names = await readdir(folder, { recursive: true })
    assert.deepEqual(names.sort(), ['account.key', 'certificates', `certificates/${first.id}.cert`, 'device.key'])
    for (const name of ['account.key', 'device.key', `certificates/${first.id}.cert`]) {
      assert.equal((await stat(join(folder, name))).mode & 0o777, 0o600, name)
    }
    assert.equal((await stat(folder)).mode & 0o777, 0o700)
    const second = await openIdentity(folder)
    assert.equal(second.id, first.id)
    assert.equal(second.account, first.account)
    assert.equal(second.fingerprint, first.fingerprint)
    assert.match(first.fingerprint, /^[0-9a-f]{64}$/)
    assert.deepEqual(second.certificate(), first.certificate())
  })

  it('keeps the id of a node that had a device key and no account', async (t) => {
    const folder = await temporaryFolder(t)
    const { privateKey, publicKey } = generateKeyPairSync('ed25519')
    await writeFile(join(folder, 'device.key'), privateKey.export({ format: 'pem', type: 'pkcs8' }), { mode: 0o600 })
    const identity = await openIdentity(folder)
    assert.equal(identity.id, peerIdOf(Buffer.from(publicKey.export({ format: 'jwk' }).x ?? '', 'base64url')))
    assert.deepEqual(identity.privateKey.export({ format: 'jwk' }), privateKey.export({ format: 'jwk' }))
  })

  it('does not start on keys that others may read', async (t) => {
    const folder = await temporaryFolder(t)
    await openIdentity(folder)
    for (const name of ['account.key', 'device.key']) {
      const path = join(folder, name)
      await chmod(path, 0o644)
      await assert.rejects(openIdentity(folder), {
        code: 'insecure_file_mode',
        details: { fix: `chmod 600 '${path}'` },
      })
      await chmod(path, 0o600)
    }
    assert.ok(await openIdentity(folder))
  })

  it('does not start on statements that were damaged, rather than forget a revocation', async (t) => {
    const folder = await temporaryFolder(t)
    await openIdentity(folder)
    await writeFile(join(folder, 'account.statements'), 'heddle-statement-1.AAAA\n', { mode: 0o600 })
    await assert.rejects(openIdentity(folder), { code: 'state_corrupt' })
  })

  it('seals its keys where a passphrase is given', async (t) => {
    const folder = await temporaryFolder(t)
    const sealed = { ...options, passphrase: 'seven wild horses' }
    const { id } = await openIdentity(folder, sealed)
    assert.equal((await openIdentity(folder, sealed)).id, id)
    await assert.rejects(openIdentity(folder, options), { code: 'key_locked' })
    await assert.rejects(openIdentity(folder, { ...options, passphrase: 'seven wild mules' }), {
      code: 'wrong_passphrase',
    })
  })

  it('has another id after its device was rotated', async (t) => {
    const folder = await temporaryFolder(t)
    const before = await openIdentity(folder, options)
    const { device } = await rotateDevice(identityDeps(folder), options)
    const after = await openIdentity(folder, options)
    assert.equal(after.id, device)
    assert.notEqual(after.id, before.id)
    assert.equal(after.account, before.account)
    assert.notDeepEqual(after.deviceSeed(), before.deviceSeed())
  })
})
