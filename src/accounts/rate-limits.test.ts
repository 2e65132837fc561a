/** How long is written as OpenAI's clients read it. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { resetText } from './rate-limits.ts'

describe('resetText', () => {
  const cases: readonly (readonly [number, string])[] = [
    [0, '0s'],
    [0.4, '1ms'],
    [120, '120ms'],
    [1_000, '1s'],
    [1_001, '2s'],
    [59_999, '1m0s'],
    [360_000, '6m0s'],
    [3_661_000, '1h1m1s'],
  ]
  for (const [ms, text] of cases) it(`writes ${ms} ms as ${text}`, () => assert.equal(resetText(ms), text))
})
