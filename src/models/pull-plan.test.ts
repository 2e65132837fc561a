/** Tests of what a pull reference may be. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { planPull } from './pull-plan.ts'

const digest = 'ab'.repeat(32)

describe('planPull', () => {
  it('names the model after the last part of the address', () => {
    assert.deepEqual(planPull('https://models.test/org/Name-Q4.gguf?download=true', {}), {
      kind: 'http',
      address: 'https://models.test/org/Name-Q4.gguf?download=true',
      source: 'https://models.test/org/Name-Q4.gguf',
      id: 'Name-Q4',
      fileName: 'Name-Q4.gguf',
      sha256: undefined,
    })
  })

  it('takes paths, file addresses and Windows drives for files', () => {
    for (const [reference, id] of [
      ['/data/my model.gguf', 'my-model'],
      ['./a.gguf', 'a'],
      ['../a.gguf', 'a'],
      ['file:///data/a.gguf', 'a'],
      ['C:\\data\\a.gguf', 'a'],
    ] as const) {
      const plan = planPull(reference, {})
      assert.equal(plan.kind, 'file', reference)
      assert.equal(plan.id, id)
    }
  })

  it('takes a digest from the end of the reference or beside it', () => {
    const plan = planPull(`/a.gguf#sha256=${digest.toUpperCase()}`, {})
    assert.equal(plan.sha256, digest)
    assert.equal(plan.address, '/a.gguf')
    assert.equal(planPull('/a.gguf', { sha256: digest }).sha256, digest)
    assert.equal(planPull(`/a.gguf#sha256=${digest}`, { sha256: digest }).sha256, digest)
  })

  it('takes a name for the model to be', () => {
    assert.equal(planPull('https://models.test/blob', { name: 'org/mine' }).fileName, 'org/mine.gguf')
  })

  const refused: readonly (readonly [string, string, { name?: string; sha256?: string }])[] = [
    ['nothing', '', {}],
    ['an address without a file name', 'https://models.test/', {}],
    ['a file name of another kind', 'https://models.test/model.bin', {}],
    ['a name hidden in escapes', 'https://models.test/..%2f..%2fx.gguf', {}],
    ['broken escapes', 'https://models.test/%zz.gguf', {}],
    ['a hidden file', 'https://models.test/.gguf', {}],
    ['another scheme', 'ftp://models.test/a.gguf', {}],
    ['a scheme that only looks like a file', 'javascript:a.gguf', {}],
    ['half an address', 'http://', {}],
    ['a NUL', '/a\0.gguf', {}],
    ['a short digest', '/a.gguf#sha256=abc', {}],
    ['a path for a digest', '/a.gguf', { sha256: '../../x' }],
    ['two digests', `/a.gguf#sha256=${digest}`, { sha256: 'cd'.repeat(32) }],
    ['an upward name', '/a.gguf', { name: '../a' }],
    ['an absolute name', '/a.gguf', { name: '/a' }],
    ['an empty name', '/a.gguf', { name: '' }],
    ['a digest for a name', '/a.gguf', { name: 'sha256:../../a' }],
  ]
  for (const [what, reference, wish] of refused) {
    it(`refuses ${what}`, () => {
      assert.throws(() => planPull(reference, wish), { code: 'invalid_request' })
    })
  }
})
