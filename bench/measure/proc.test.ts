/** Tests of reading /proc. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { parseProcStat, parseResidentBytes, processTree } from './proc.ts'

describe('parseProcStat', () => {
  it('finds parent and times behind a command name with spaces and brackets', () => {
    const line = '4121 (node (a) b) S 4000 4121 1 0 -1 4194304 900 0 0 0 321 45 0 0 20 0 11 0 99 0 0'
    assert.deepEqual(parseProcStat(line), { parent: 4000, userTicks: 321, systemTicks: 45 })
  })
  it('refuses a line that is cut short', () => assert.throws(() => parseProcStat('1 (init) S 0 1')))
})

describe('parseResidentBytes', () => {
  it('reads kilobytes as bytes', () =>
    assert.equal(parseResidentBytes('VmPeak:\t 10 kB\nVmRSS:\t   2048 kB\n'), 2_097_152))
  it('refuses a status without it, as of a zombie', () => assert.throws(() => parseResidentBytes('State:\tZ\n')))
})

describe('processTree', () => {
  it('holds grandchildren and no strangers', () => {
    const parents = new Map([
      [2, 1],
      [3, 2],
      [4, 9],
      [5, 3],
      [6, 2],
    ])
    assert.deepEqual(
      processTree(2, parents).toSorted((a, b) => a - b),
      [2, 3, 5, 6],
    )
  })
})
