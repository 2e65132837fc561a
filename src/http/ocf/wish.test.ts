/** How headers steer routing, in our words and in OpenTela's. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { PromptTrust } from '../../core/routing/prompt-trust.ts'
import { trustOf, wishOf } from './wish.ts'

const USUAL = { strictness: 'exact', promptTrust: 'network' } as const

describe('wishOf', () => {
  it('is the usual without headers', () => {
    assert.deepEqual(wishOf({ 'content-type': 'x' }, USUAL), { fields: new Map(), ...USUAL })
    assert.equal(wishOf({}, { ...USUAL, strictness: 'any' }).strictness, 'any')
  })

  it('takes groups from either name', () => {
    const { fields } = wishOf(
      { 'x-otela-identity-group': 'model=org/name=x', 'x-heddle-group-region': 'eu%20west' },
      USUAL,
    )
    assert.deepEqual(
      fields,
      new Map([
        ['model', 'org/name=x'],
        ['region', 'eu west'],
      ]),
    )
    for (const text of ['model', '=x', 'model=*', 'all', ''])
      assert.throws(() => wishOf({ 'x-otela-identity-group': text }, USUAL), { code: 'invalid_request' }, text)
  })

  it('takes how far matching goes from either name, and 0 for a fallback that is none', () => {
    const usual = { ...USUAL, strictness: 'any' as const }
    const of = (headers: Record<string, string>): string => wishOf(headers, usual).strictness
    assert.deepEqual(
      ['0', '1', '2', '3', '-1', 'x', ''].map((level) => of({ 'x-otela-fallback': level })),
      ['exact', 'wildcard', 'any', 'exact', 'exact', 'exact', 'exact'],
    )
    assert.equal(of({ 'x-heddle-strictness': 'wildcard', 'x-otela-fallback': '0' }), 'wildcard')
    assert.throws(() => of({ 'x-heddle-strictness': 'loose' }), { code: 'invalid_request' })
  })
})

describe('trustOf', () => {
  it('only ever narrows', () => {
    const of = (level: string, scope: PromptTrust): PromptTrust => trustOf({ 'x-otela-trust': level }, scope)
    assert.deepEqual(
      ['0', '1', '2'].map((level) => of(level, 'any')),
      ['any', 'network', 'self'],
    )
    assert.deepEqual(
      ['0', '1', '2'].map((level) => of(level, 'network')),
      ['network', 'network', 'self'],
    )
    assert.deepEqual(
      ['0', '1', '2'].map((level) => of(level, 'self')),
      ['self', 'self', 'self'],
    )
    assert.equal(of('high', 'any'), 'any')
    assert.throws(() => of('3', 'any'), { code: 'no_route' })
  })
})
