/** Identity files: the contract, their modes, and what is refused of files that others wrote. */
import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { chmod, readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { identityStoreContract } from '../../../test/contracts/identity-store.contract.ts'
import { temporaryFolder } from '../../../test/support/tmp.ts'
import { HeddleError } from '../../core/errors.ts'
import { peerIdOf } from '../../core/identity/peer-id.ts'
import { ed25519Keys } from './ed25519-signer.ts'
import { IdentityFiles } from './identity-files.ts'
import { keySealer } from './sealed-key.ts'

const sealer = keySealer({ logN: 4, r: 8, p: 1 })
const PASSPHRASE = 'seven wild horses'
const openIn = (folder: string): IdentityFiles => new IdentityFiles(folder, { sealer })

identityStoreContract('IdentityFiles', ed25519Keys, async (t) => {
  const folder = join(await temporaryFolder(t), 'keys')
  return () => openIn(folder)
})

describe('IdentityFiles', () => {
  it('writes files that only their owner can read, under names that people find', async (t) => {
    const folder = await temporaryFolder(t)
    const store = openIn(folder)
    await store.write('account', ed25519Keys.newSeed(), { passphrase: undefined })
    await store.write('device', ed25519Keys.newSeed(), { passphrase: PASSPHRASE })
    await store.writeCertificate(peerIdOf(ed25519Keys.signerOf(ed25519Keys.newSeed()).publicKey), Uint8Array.of(1))
    await store.statements.append([Uint8Array.of(1)])
    assert.deepEqual((await readdir(folder)).sort(), [
      'account.key',
      'account.statements',
      'certificates',
      'device.key',
    ])
    for (const name of ['account.key', 'device.key', 'account.statements']) {
      assert.equal((await stat(join(folder, name))).mode & 0o777, 0o600, name)
    }
    assert.match(await readFile(join(folder, 'account.key'), 'utf8'), /^-----BEGIN PRIVATE KEY-----\n/)
    assert.match(await readFile(join(folder, 'device.key'), 'utf8'), /^heddle-sealed-key-1\.[\w-]+\n$/)
  })

  it('refuses a key that others may read, with the command that mends it', async (t) => {
    const folder = await temporaryFolder(t)
    const path = join(folder, 'account.key')
    await openIn(folder).write('account', ed25519Keys.newSeed(), { passphrase: undefined })
    for (const mode of [0o640, 0o604, 0o660, 0o601]) {
      await chmod(path, mode)
      const refused = { code: 'insecure_file_mode', details: { fix: `chmod 600 '${path}'` } }
      await assert.rejects(openIn(folder).open('account', { passphrase: undefined }), refused)
      await assert.rejects(openIn(folder).describe('account'), refused)
    }
    await chmod(path, 0o600)
    assert.ok(await openIn(folder).open('account', { passphrase: undefined }))
  })

  it('refuses what is no Ed25519 key, and does not quote it', async (t) => {
    const folder = await temporaryFolder(t)
    const path = join(folder, 'device.key')
    const other = generateKeyPairSync('x25519').privateKey.export({ format: 'pem', type: 'pkcs8' }).toString()
    await openIn(folder).write('device', ed25519Keys.newSeed(), { passphrase: PASSPHRASE })
    const sealedText = await readFile(path, 'utf8')
    const broken = ['', 'secret-canary', '-----BEGIN PRIVATE KEY-----\nsecret-canary', other]
    for (const text of [...broken, sealedText.slice(0, -6), sealedText.replace('.', '.A'), 'heddle-sealed-key-1.']) {
      await writeFile(path, text, { mode: 0o600 })
      await assert.rejects(openIn(folder).open('device', { passphrase: PASSPHRASE }), (error: unknown) => {
        assert.ok(error instanceof HeddleError)
        assert.equal(error.code, 'state_corrupt')
        assert.ok(!`${error.stack} ${String(error.cause)}`.includes('secret-canary'))
        return true
      })
    }
  })

  it('reads the device key of an earlier version, which was the bare PEM', async (t) => {
    const folder = await temporaryFolder(t)
    const { privateKey } = generateKeyPairSync('ed25519')
    const pem = privateKey.export({ format: 'pem', type: 'pkcs8' }).toString()
    await writeFile(join(folder, 'device.key'), pem, { mode: 0o600 })
    const seed = await openIn(folder).open('device', { passphrase: undefined })
    assert.equal(Buffer.from(seed ?? []).toString('base64url'), privateKey.export({ format: 'jwk' }).d)
  })

  it('takes a damaged certificate for none', async (t) => {
    const folder = await temporaryFolder(t)
    const device = peerIdOf(ed25519Keys.signerOf(ed25519Keys.newSeed()).publicKey)
    await openIn(folder).writeCertificate(device, Uint8Array.of(1, 2))
    await writeFile(join(folder, 'certificates', `${device}.cert`), 'heddle-certificate-1.AAAA')
    assert.equal(await openIn(folder).readCertificate(device), undefined)
  })
})
