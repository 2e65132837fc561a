/** The membership and mesh of several nodes through minutes of trouble, many times over: every seed is another story, and the same one each time. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Met } from './met.ts'
import { runSeed } from './run-seed.ts'
import { TRAFFIC_OUTCOMES } from './traffic.ts'

const SEEDS = 200
const MUST_BE_MET: readonly Met[] = [
  'loss',
  'duplication',
  'skew',
  'partition',
  'kill',
  'leave',
  'restart',
  'attack refused',
  'attack held against its sender',
  'equivocation',
  'lease ended',
  'farewell',
  'attack on sessions',
  ...TRAFFIC_OUTCOMES,
]

describe('the simulation', () => {
  it('does the same for the same seed', async () => {
    const [first, second] = [await runSeed(7), await runSeed(7)]
    assert.deepEqual(first, second)
  })

  it(`holds for ${SEEDS} seeds, which meet every kind of trouble`, async () => {
    const met = new Map<Met, number>()
    for (let seed = 0; seed < SEEDS; seed += 1) {
      for (const each of (await runSeed(seed)).met) met.set(each, (met.get(each) ?? 0) + 1)
    }
    for (const each of MUST_BE_MET)
      assert.ok((met.get(each) ?? 0) >= 5, `${each} was met in ${met.get(each) ?? 0} runs only`)
  })
})
