/** Tests of tables and verdicts. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { numberText, ratioText, tableOf } from './table.ts'
import { verdictOf, verdictTable } from './verdict.ts'

describe('numberText', () => {
  it('keeps about three digits', () => {
    assert.deepEqual(
      [12345.6, 45.67, 0.456, -3.21, 0].map((value) => numberText(value)),
      ['12346', '45.7', '0.46', '-3.21', '0.00'],
    )
  })
  it('shows a dash for what was not measured', () => {
    assert.equal(numberText(undefined), '–')
    assert.equal(numberText(Number.NaN), '–')
  })
})

describe('ratioText', () => {
  it('divides, and shows a dash without a base', () => {
    assert.equal(ratioText(3, 2), '1.50')
    assert.equal(ratioText(3, undefined), '–')
    assert.equal(ratioText(3, 0), '–')
  })
})

describe('tableOf', () => {
  it('aligns text left and numbers right', () => {
    assert.equal(
      tableOf(
        ['target', 'req/s'],
        [
          ['nginx', 31000],
          ['a|b', 7.5],
        ],
      ),
      ['| target | req/s |', '|--------|------:|', '| nginx  | 31000 |', '| a\\|b   |  7.50 |'].join('\n'),
    )
  })
})

describe('verdictOf', () => {
  const bound = { what: 'speed', unit: ' × nginx' }
  it('holds at the bound and not beyond it', () => {
    assert.equal(verdictOf({ ...bound, measured: 0.3, atLeast: 0.3 }).holds, true)
    assert.equal(verdictOf({ ...bound, measured: 0.2999, atLeast: 0.3 }).holds, false)
    assert.equal(verdictOf({ ...bound, measured: 4, atMost: 4 }).holds, true)
    assert.equal(verdictOf({ ...bound, measured: 4.01, atMost: 4 }).holds, false)
  })
  it('does not hold when nothing was measured', () => {
    assert.deepEqual(verdictOf({ ...bound, measured: undefined, atMost: 4 }), {
      what: 'speed',
      target: '≤ 4 × nginx',
      measured: 'not measured',
      holds: false,
    })
    assert.equal(verdictOf({ ...bound, measured: Number.NaN, atMost: 4 }).holds, false)
  })
  it('refuses a target without a bound', () => assert.throws(() => verdictOf({ ...bound, measured: 1 })))
  it('is printed with a plain yes or NO', () => {
    const table = verdictTable([
      verdictOf({ ...bound, measured: 1, atLeast: 2 }),
      verdictOf({ ...bound, measured: 3, atLeast: 2 }),
    ])
    assert.match(table, /1\.00 × nginx \| NO /)
    assert.match(table, /3\.00 × nginx \| yes/)
  })
})
