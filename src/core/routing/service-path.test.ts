/** Tests of paths below a service: what stays inside passes as it is, everything else is refused (T21). */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { isBelowPrefix, parseServicePath } from './service-path.ts'

describe('parseServicePath', () => {
  const passing = [
    '/',
    '/v1/chat/completions',
    '/v1/models/org%2Fname:tag',
    '/a?b=../../c&d=//e',
    '/caf%C3%A9',
    '/100%25',
    '/a.b/..c/d..',
    '/.well-known/x',
    '/a;v=1/b',
    '/trailing/',
    '/@user/~home/(x)!',
  ]
  for (const path of passing) it(`passes ${path}`, () => assert.deepEqual(parseServicePath(path), { kind: 'ok', path }))

  const refused = [
    '',
    'v1/models',
    'http://evil.test/',
    '//evil.test/x',
    '/a//b',
    '/..',
    '/../admin',
    '/a/../admin',
    '/a/./b',
    '/%2e%2e/admin',
    '/%2E%2e%2fadmin',
    '/a%2f..%2fadmin',
    '/%252e%252e/admin',
    '/%25252e%25252e/admin',
    '/v1/..;/admin',
    '/v1/..;x=1/admin',
    '/v1/%2e%2e;/admin',
    '/a\\..\\b',
    '/a%5c..%5cb',
    '/a%2f%2fb',
    '/a b',
    '/a\r\nx: y',
    '/a%0d%0ax:%20y',
    '/a%00',
    '/a%zz',
    '/a%',
    '/a%ff',
    '/a#b',
    '/é',
    `/${'a'.repeat(9_000)}`,
  ]
  for (const path of refused)
    it(`refuses ${JSON.stringify(path.slice(0, 40))}`, () => assert.equal(parseServicePath(path).kind, 'refused'))

  it('passes nothing that a server would read as another path, however often it decodes', () => {
    const piece = fc.constantFrom(
      '/',
      '.',
      '..',
      '%2e',
      '%2F',
      '%25',
      '%5c',
      ';',
      '\\',
      'a',
      '%00',
      '?',
      '%2525',
      '2e',
      '2f',
    )
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
        const target = `/${pieces.join('')}`
        const parsed = parseServicePath(target)
        if (parsed.kind === 'refused') return
        const path = target.split('?', 1)[0] ?? ''
        assert.equal(parsed.path, target)
        assert.equal(new URL(`http://h/base${target}`).pathname, `/base${path}`)
        for (let text = path, round = 0; round < 6; round += 1) {
          assert.ok(!text.split(/[/\\]/).some((segment) => /^\.{1,2}(;|$)/.test(segment)), text)
          text = tryDecode(text)
        }
      }),
      { numRuns: 2_000 },
    )
  })

  it('has an answer to any text', () => {
    fc.assert(fc.property(fc.string({ unit: 'binary' }), (text) => void parseServicePath(`/${text}`)))
  })
})

describe('isBelowPrefix', () => {
  it('takes whole segments', () => {
    assert.ok(isBelowPrefix('/v1/audio?x=/y', ['/v1']))
    assert.ok(isBelowPrefix('/v1', ['/v1']))
    assert.ok(isBelowPrefix('/v1/', ['/v1/']))
    assert.ok(!isBelowPrefix('/v10', ['/v1']))
    assert.ok(!isBelowPrefix('/a?/v1', ['/v1']))
    assert.ok(isBelowPrefix('/anything', []))
  })
})

function tryDecode(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}
