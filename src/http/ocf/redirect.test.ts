/** Tests of redirects that a service sends. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { redirectedWithin } from './redirect.ts'

describe('redirectedWithin', () => {
  const cases: readonly (readonly [string, string, string, string])[] = [
    ['/next?x=1', '/v1/service/files/now', '/now', '/v1/service/files/next?x=1'],
    ['/', '/v1/p2p-service/12D3/files/a/b?c', '/a/b?c', '/v1/p2p-service/12D3/files/'],
    ['next', '/v1/service/files/now', '/now', 'next'],
    ['https://other.test/x', '/v1/service/files/now', '/now', 'https://other.test/x'],
    ['//other.test/x', '/v1/service/files/now', '/now', '//other.test/x'],
    ['/next', '/v1/service/files', '/', '/next'],
  ]
  for (const [location, target, path, expected] of cases) {
    it(`leads ${location} of ${target} to ${expected}`, () =>
      assert.equal(redirectedWithin({ location }, target, path)['location'], expected))
  }

  it('leaves answers that are no redirect alone', () => {
    const headers = { etag: '"1"' }
    assert.equal(redirectedWithin(headers, '/v1/service/files/now', '/now'), headers)
  })
})
