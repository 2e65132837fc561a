/** Tests of identity groups: their grammar, how far they match, and those of model offers. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import {
  identityGroupsOf,
  isWithinStrictness,
  keysOfGroups,
  matchLevelOf,
  modelOfGroup,
  parseIdentityGroup,
  STRICTNESS,
  type Strictness,
} from './identity-groups.ts'

const word = fc.constantFrom('model', 'size', 'a', 'b', '*', '', 'x=y', 'all')
const group = fc.oneof(
  fc.constant('all'),
  word,
  fc.tuple(word, word).map(([key, value]) => `${key}=${value}`),
  fc.string(),
)
const fields = fc
  .dictionary(word, fc.oneof(word, fc.integer(), fc.constant(null)))
  .map((each) => new Map(Object.entries(each)))

describe('parseIdentityGroup', () => {
  it('knows key=value, key=* and all, and nothing else', () => {
    assert.deepEqual(parseIdentityGroup('model=org/a=b'), { kind: 'value', key: 'model', value: 'org/a=b' })
    assert.deepEqual(parseIdentityGroup('model=*'), { kind: 'key', key: 'model' })
    assert.deepEqual(parseIdentityGroup('all'), { kind: 'all' })
    for (const text of ['', 'model', '=x', 'model=', '*', 'ALL', '=']) assert.equal(parseIdentityGroup(text), undefined)
  })
})

describe('matchLevelOf', () => {
  it('gives the strictest level on which a group takes the request', () => {
    const request = new Map<string, unknown>([
      ['model', 'a'],
      ['size', 7],
    ])
    assert.equal(matchLevelOf(['all', 'model=*', 'model=a'], request), 'exact')
    assert.equal(matchLevelOf(['all', 'model=*', 'model=b'], request), 'wildcard')
    assert.equal(matchLevelOf(['all', 'model=b'], request), 'any')
    assert.equal(matchLevelOf(['model=b', 'other=*'], request), undefined)
    assert.equal(matchLevelOf(['size=*'], request), 'wildcard')
    // As with OCF, a value is compared with strings only.
    assert.equal(matchLevelOf(['size=7'], request), undefined)
    assert.equal(matchLevelOf([], request), 'exact')
  })

  it('agrees with the three rules said one by one, whatever the groups and the order', () => {
    fc.assert(
      fc.property(fc.array(group, { minLength: 1 }), fields, (groups, request) => {
        const exact = [...request].some(
          ([key, value]) =>
            key !== '' &&
            value !== '' &&
            value !== '*' &&
            typeof value === 'string' &&
            !key.includes('=') &&
            groups.includes(`${key}=${value}`),
        )
        const wildcard = [...request.keys()].some(
          (key) => key !== '' && !key.includes('=') && groups.includes(`${key}=*`),
        )
        const expected = exact ? 'exact' : wildcard ? 'wildcard' : groups.includes('all') ? 'any' : undefined
        assert.equal(matchLevelOf(groups, request), expected)
        assert.equal(matchLevelOf(groups.toReversed(), request), expected)
      }),
    )
  })

  it('never needs a field besides those of its keys', () => {
    fc.assert(
      fc.property(
        fc.array(group, { minLength: 1 }),
        fields,
        fc.constantFrom(...STRICTNESS),
        (groups, request, strictness) => {
          const keys = keysOfGroups(groups, strictness)
          const known = new Map([...request].filter(([key]) => keys.has(key)))
          const within = (level: Strictness | undefined) =>
            level !== undefined && isWithinStrictness(level, strictness) ? level : undefined
          assert.equal(within(matchLevelOf(groups, known)), within(matchLevelOf(groups, request)))
        },
      ),
    )
  })
})

describe('isWithinStrictness', () => {
  it('lets a looser setting take all that a stricter one takes', () => {
    for (const level of STRICTNESS) {
      const taken = STRICTNESS.map((strictness) => isWithinStrictness(level, strictness))
      assert.ok(taken.slice(taken.indexOf(true)).every(Boolean))
      assert.equal(isWithinStrictness(level, level), true)
    }
    assert.equal(isWithinStrictness('wildcard', 'exact'), false)
  })
})

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
