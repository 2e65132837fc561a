/** Keys under a passphrase open with it alone, and cost what they say. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import { encodeCanonical } from '../../core/identity/canonical.ts'
import { fieldsOf } from '../../core/identity/field-reader.ts'
import { ed25519Keys } from './ed25519-signer.ts'
import { keySealer, readSealedKey } from './sealed-key.ts'

const CHEAP = { logN: 4, r: 8, p: 1 }
const PASSPHRASE = 'seven wild horses'

describe('keySealer', () => {
  const seed = ed25519Keys.newSeed()

  it('gives the seed back for the passphrase, and never the same bytes twice', async () => {
    const sealer = keySealer(CHEAP)
    const [one, other] = [await sealer.seal(seed, PASSPHRASE), await sealer.seal(seed, PASSPHRASE)]
    assert.notDeepEqual(one, other)
    assert.deepEqual(await sealer.unseal(one, PASSPHRASE), seed)
    assert.deepEqual(await sealer.unseal(other, PASSPHRASE), seed)
    assert.ok(!Buffer.from(one).includes(Buffer.from(seed)))
  })

  it('takes a passphrase however its letters are composed', async () => {
    const sealed = await keySealer(CHEAP).seal(seed, 'pass\u00e9 simple')
    assert.deepEqual(await keySealer(CHEAP).unseal(sealed, 'passe\u0301 simple'), seed)
  })

  it('refuses a wrong passphrase, and one that is too short to be any', async () => {
    const sealed = await keySealer(CHEAP).seal(seed, PASSPHRASE)
    await assert.rejects(keySealer(CHEAP).unseal(sealed, 'seven wild horse'), { code: 'wrong_passphrase' })
    await assert.rejects(keySealer(CHEAP).unseal(sealed, ''), { code: 'wrong_passphrase' })
    await assert.rejects(keySealer(CHEAP).seal(seed, 'seven77'), { code: 'usage' })
  })

  it('refuses sealed bytes in which any bit differs', async () => {
    const sealed = await keySealer({ logN: 1, r: 1, p: 1 }).seal(seed, PASSPHRASE)
    for (let bit = 0; bit < sealed.length * 8; bit += 1) {
      const changed = sealed.slice()
      changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7))
      const read = readSealedKey(changed)
      // Only what is cheap to try: raised costs are the next test's.
      if (read.kind === 'ok' && read.value.logN * read.value.r * read.value.p > 400) continue
      await assert.rejects(keySealer(CHEAP).unseal(changed, PASSPHRASE), { name: 'HeddleError' }, `bit ${bit}`)
    }
  })

  it('refuses costs that would take the machine down', () => {
    const publicKey = ed25519Keys.signerOf(seed).publicKey
    const withCost = (logN: number, r: number, p: number): Uint8Array =>
      encodeCanonical(
        fieldsOf({
          0: 1,
          1: publicKey,
          2: logN,
          3: r,
          4: p,
          5: new Uint8Array(16),
          6: new Uint8Array(12),
          7: new Uint8Array(48),
        }),
      )
    assert.equal(readSealedKey(withCost(17, 8, 1)).kind, 'ok')
    const costs = [
      [19, 8, 1],
      [17, 64, 1],
      [17, 8, 17],
      [0, 8, 1],
      [17, 0, 1],
      [17, 8, 0],
      [2 ** 31, 8, 1],
      [4000, 8, 1],
    ] as const
    for (const [logN, r, p] of costs)
      assert.equal(readSealedKey(withCost(logN, r, p)).kind, 'malformed', `${logN} ${r} ${p}`)
  })

  it('opens a key that was sealed earlier, at full cost', async () => {
    const path = new URL('../../../test/vectors/identity/sealed-key.json', import.meta.url)
    const vector = JSON.parse(readFileSync(path, 'utf8')) as { sealed: string; passphrase: string; seed: string }
    const opened = await keySealer().unseal(new Uint8Array(Buffer.from(vector.sealed, 'hex')), vector.passphrase)
    assert.equal(Buffer.from(opened).toString('hex'), vector.seed)
  })
})
