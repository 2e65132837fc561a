/** Identity groups of model offers. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { identityGroupsOf, modelOfGroup } from './identity-groups.ts'

describe('identityGroupsOf', () => {
  it('makes one group a model, in an order that does not depend on the offers', () => {
    const offers = [{ id: 'qwen3:8b' }, { id: 'org/name@v1' }, { id: 'qwen3:8b' }]
    assert.deepEqual(identityGroupsOf(offers), ['model=org/name@v1', 'model=qwen3:8b'])
    assert.deepEqual(identityGroupsOf(offers.toReversed()), identityGroupsOf(offers))
  })

  it('is undone by modelOfGroup, whatever the id holds', () => {
    for (const id of ['a=b', 'x', 'org/name:tag']) {
      assert.deepEqual(identityGroupsOf([{ id }]).map(modelOfGroup), [id])
    }
    assert.equal(modelOfGroup('region=eu'), undefined)
    assert.equal(modelOfGroup('model='), undefined)
  })
})
