/** What every store of a machine's identity must do. */
import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import { peerIdOf } from '../../src/core/identity/peer-id.ts'
import type { AccountId } from '../../src/core/ids.ts'
import type { IdentityStore } from '../../src/ports/identity-store.ts'
import type { KeySource } from '../../src/ports/signer.ts'

const PASSPHRASE = 'seven wild horses'
const plain = { passphrase: undefined }
const sealed = { passphrase: PASSPHRASE }

/** @param open gives what opens one and the same store, each time it is called */
export function identityStoreContract(
  name: string,
  keys: KeySource,
  open: (t: TestContext) => Promise<() => IdentityStore>,
): void {
  describe(`${name} as an IdentityStore`, () => {
    it('has no keys and no certificates at first', async (t) => {
      const store = (await open(t))()
      assert.equal(await store.describe('account'), undefined)
      assert.equal(await store.open('device', plain), undefined)
      assert.equal(await store.readCertificate(peerIdOf(keys.signerOf(keys.newSeed()).publicKey)), undefined)
      assert.deepEqual(await store.statements.read(), [])
    })

    it('gives a key back as it was written', async (t) => {
      const again = await open(t)
      const seed = keys.newSeed()
      await again().write('device', seed, plain)
      assert.deepEqual(await again().open('device', plain), seed)
      // A passphrase that is not needed does no harm.
      assert.deepEqual(await again().open('device', sealed), seed)
      const { publicKey } = keys.signerOf(seed)
      assert.deepEqual(await again().describe('device'), { publicKey, isSealed: false })
      assert.equal(await again().describe('account'), undefined)
    })

    it('opens a sealed key with its passphrase only, and describes it without', async (t) => {
      const again = await open(t)
      const seed = keys.newSeed()
      await again().write('account', seed, sealed)
      const { publicKey } = keys.signerOf(seed)
      assert.deepEqual(await again().describe('account'), { publicKey, isSealed: true })
      assert.deepEqual(await again().open('account', sealed), seed)
      await assert.rejects(again().open('account', plain), { code: 'key_locked' })
      await assert.rejects(again().open('account', { passphrase: `${PASSPHRASE} ` }), { code: 'wrong_passphrase' })
      await assert.rejects(again().open('account', { passphrase: '' }), { code: 'wrong_passphrase' })
    })

    it('moves a key into the place of another, and removes one', async (t) => {
      const again = await open(t)
      const [old, next] = [keys.newSeed(), keys.newSeed()]
      await again().write('device', old, plain)
      await again().write('next-device', next, plain)
      await again().move('next-device', 'device')
      assert.deepEqual(await again().open('device', plain), next)
      assert.equal(await again().describe('next-device'), undefined)
      await assert.rejects(again().move('next-device', 'device'))
      await again().remove('device')
      await again().remove('device')
      assert.equal(await again().describe('device'), undefined)
    })

    it('puts the account key aside', async (t) => {
      const again = await open(t)
      const account = 'ab'.repeat(32) as AccountId
      await again().setAside(account)
      await again().write('account', keys.newSeed(), plain)
      await again().setAside(account)
      assert.equal(await again().describe('account'), undefined)
    })

    it('keeps one certificate a device', async (t) => {
      const again = await open(t)
      const [one, other] = [keys.newSeed(), keys.newSeed()].map((seed) => peerIdOf(keys.signerOf(seed).publicKey))
      assert.ok(one !== undefined && other !== undefined)
      await again().writeCertificate(one, Uint8Array.of(1, 2, 3))
      await again().writeCertificate(other, Uint8Array.of(4))
      await again().writeCertificate(one, Uint8Array.of(5, 6))
      assert.deepEqual(await again().readCertificate(one), Uint8Array.of(5, 6))
      assert.deepEqual(await again().readCertificate(other), Uint8Array.of(4))
    })
  })
}
