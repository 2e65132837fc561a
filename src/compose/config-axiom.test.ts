/** Where events go, by Axiom's own variables. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { axiomOf } from './config-axiom.ts'

const ENV = { AXIOM_TOKEN: 'xaat-1', AXIOM_DATASET: 'ocf' }

describe('axiomOf', () => {
  it('needs a token and a dataset', () => {
    assert.deepEqual(axiomOf(ENV), { url: 'https://api.axiom.co', token: 'xaat-1', dataset: 'ocf' })
    for (const name of ['AXIOM_TOKEN', 'AXIOM_DATASET']) assert.equal(axiomOf({ ...ENV, [name]: '' }), undefined)
    assert.equal(axiomOf({}), undefined)
  })

  it('takes the address of another deployment, and no nonsense', () => {
    assert.equal(axiomOf({ ...ENV, AXIOM_URL: 'https://api.eu.axiom.co' })?.url, 'https://api.eu.axiom.co')
    assert.equal(axiomOf({ ...ENV, AXIOM_URL: '' })?.url, 'https://api.axiom.co')
    for (const url of ['axiom', 'ftp://x', 'https://user@x', 'https://x?y'])
      assert.throws(() => axiomOf({ ...ENV, AXIOM_URL: url }), { code: 'config_invalid' }, url)
    assert.throws(() => axiomOf({ ...ENV, AXIOM_TOKEN: 'a\nb' }), { code: 'config_invalid' })
  })
})
