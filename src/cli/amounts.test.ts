/** Tests of how sizes, durations and counts are written. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { bytesText, counted, durationText, parametersText } from './amounts.ts'

describe('amounts', () => {
  it('are bytes', () => {
    assert.deepEqual([0, 999, 999.7, 1_000, 1_500, 123_456, 4_920_000_000, 2e15].map(bytesText), [
      '0 B',
      '999 B',
      '1.0 kB',
      '1.0 kB',
      '1.5 kB',
      '123 kB',
      '4.9 GB',
      '2000 TB',
    ])
  })

  it('are durations', () => {
    assert.deepEqual(
      [0, 0.3, 1, 640.4, 999.7, 7_400, 59_960, 130_000, 8_040_000, 3_600_000, 273_600_000].map(durationText),
      ['0 ms', '0.3 ms', '1 ms', '640 ms', '1.0 s', '7.4 s', '1m', '2m 10s', '2h 14m', '1h', '3d 4h'],
    )
  })

  it('are parameters of models', () => {
    assert.deepEqual([512, 1_500, 1_234_567, 8e9, 70.6e9, 405e9, 1.2e12].map(parametersText), [
      '512',
      '1.5K',
      '1.2M',
      '8B',
      '70.6B',
      '405B',
      '1.2T',
    ])
  })

  it('are counts', () => {
    assert.deepEqual(
      [counted(0, 'model'), counted(1, 'model'), counted(2, 'reply', 'replies')],
      ['0 models', '1 model', '2 replies'],
    )
  })
})
