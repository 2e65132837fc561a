/** Tests of the progress of a download, at the widths that terminals have. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { stripVTControlCharacters } from 'node:util'
import stringWidth from 'string-width'
import type { PullProgress } from '../core/wire/admin-models.ts'
import { progressLine, progressWriter } from './progress.ts'

const PULLING: PullProgress = {
  status: 'pulling',
  digest: '3f1c9a5b7d0e1122334455',
  total: 4_900_000_000,
  completed: 3_050_000_000,
  ratePerSecond: 48_000_000,
  etaSeconds: 37.2,
}

describe('progressLine', () => {
  it('has a bar as wide as the terminal leaves room for', () => {
    assert.equal(progressLine(PULLING, 60), 'pulling 3f1c9a5b7d0e…   62%  3.0 GB/4.9 GB   48.0 MB/s   38s')
    assert.equal(
      progressLine(PULLING, 80),
      'pulling 3f1c9a5b7d0e…   62% ▕██████████       ▏  3.0 GB/4.9 GB   48.0 MB/s   38s',
    )
    assert.equal(
      progressLine(PULLING, 120),
      'pulling 3f1c9a5b7d0e…   62% ▕████████████████████████                ▏  3.0 GB/4.9 GB   48.0 MB/s   38s',
    )
  })

  it('never is wider than asked for', () => {
    for (let width = 20; width <= 140; width += 1) assert.ok(stringWidth(progressLine(PULLING, width)) <= width)
  })

  it('says what it knows where sizes are unknown', () => {
    assert.equal(progressLine({ status: 'resolving' }, 80), 'resolving')
    assert.equal(progressLine({ status: 'pulling', completed: 1_500 }, 80), 'pulling   1.5 kB')
    assert.equal(progressLine({ status: 'pulling', completed: 0, total: 0 }, 80), 'pulling   0 B')
  })
})

function recordingSink(isTTY: boolean): {
  readonly written: string[]
  readonly sink: Parameters<typeof progressWriter>[0]
} {
  const written: string[] = []
  return { written, sink: { isTTY, columns: 60, write: (text) => written.push(text) } }
}

describe('progressWriter', () => {
  it('writes plain lines every five seconds where nobody sees a terminal', () => {
    const { written, sink } = recordingSink(false)
    let now = 0
    {
      using writer = progressWriter(sink, () => now)
      for (; now <= 10_000; now += 1_000) writer.show({ status: 'pulling', total: 10_000, completed: now })
      writer.show({ status: 'verifying' })
    }
    assert.deepEqual(written, [
      'pulling    0%  0 B/10.0 kB\n',
      'pulling   50%  5.0 kB/10.0 kB\n',
      'pulling  100%  10.0 kB/10.0 kB\n',
      'verifying\n',
    ])
  })

  it('rewrites one line on a terminal, and begins a new one for each step', () => {
    const { written, sink } = recordingSink(true)
    let now = 0
    {
      using writer = progressWriter(sink, () => now)
      writer.show({ status: 'pulling', total: 4, completed: 0 })
      now = 10
      writer.show({ status: 'pulling', total: 4, completed: 1 }) // too soon to be seen
      now = 200
      writer.show({ status: 'pulling', total: 4, completed: 4 })
      writer.show({ status: 'verifying' })
    }
    assert.equal(written.filter((text) => text === '\n').length, 2)
    assert.equal(written.filter((text) => text.startsWith('\r')).length, 3)
    assert.match(stripVTControlCharacters(written.join('')), /100% .*\n\rverifying\n$/)
  })
})
