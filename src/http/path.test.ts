/** Tests of request targets. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { authorityOf, normalisePath, pathOf } from './path.ts'

describe('normalisePath', () => {
  const cases: readonly (readonly [string, string])[] = [
    ['/', '/'],
    ['//', '/'],
    ['/v1/', '/v1'],
    ['//v1///models//', '/v1/models'],
    ['/v1/models/org%2F%2Fname/', '/v1/models/org%2F%2Fname'],
    ['/v1//models?next=//evil//&x=/', '/v1/models?next=//evil//&x=/'],
    ['/v1/models/?', '/v1/models?'],
    ['/?verbose', '/?verbose'],
    ['?verbose', '/?verbose'],
    ['', '/'],
    ['*', '*'],
    ['http://node:11440//v1/models/', '/v1/models'],
    ['HTTPS://node', '/'],
    ['https://node?x', '/?x'],
  ]
  for (const [from, to] of cases)
    it(`turns ${from || 'nothing'} into ${to}`, () => assert.equal(normalisePath(from), to))

  it('leaves what it made alone, and the query too', () => {
    fc.assert(
      fc.property(
        fc.stringMatching(/^\/[a-z/%.:@]{0,30}$/),
        fc.stringMatching(/^(\?[a-z/=&?]{0,20})?$/),
        (path, query) => {
          const target = normalisePath(path + query)
          assert.equal(normalisePath(target), target)
          assert.equal(target.slice(pathOf(target).length), query)
          assert.doesNotMatch(pathOf(target), /\/\/|.\/$/)
        },
      ),
    )
  })
})

describe('authorityOf', () => {
  it('finds the host of an absolute form only', () => {
    assert.equal(authorityOf('http://attacker.test:80/v1/models'), 'attacker.test:80')
    assert.equal(authorityOf('/http://attacker.test/'), undefined)
    assert.equal(authorityOf('//attacker.test/v1'), undefined)
  })
})
