/** A stream table is a map from ids to entries. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { StreamTable } from './stream-table.ts'

class Entry {
  readonly stream: number
  nextInBucket: Entry | undefined

  constructor(stream: number) {
    this.stream = stream
  }
}

describe('StreamTable', () => {
  it('does what a Map does', () => {
    // Few ids, many of them in the same bucket.
    const stream = fc.integer({ min: 1, max: 40 }).map((index) => (index % 8) + 512 * Math.floor(index / 8))
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.boolean(), stream), { maxLength: 200 }), (steps) => {
        const table = new StreamTable<Entry>()
        const map = new Map<number, Entry>()
        for (const [isAdd, stream] of steps) {
          const known = map.get(stream)
          if (isAdd && known === undefined) {
            const entry = new Entry(stream)
            table.add(entry)
            map.set(stream, entry)
          } else if (!isAdd) {
            table.remove(known ?? new Entry(stream))
            map.delete(stream)
          }
          assert.equal(table.get(stream), map.get(stream))
          assert.equal(table.size, map.size)
        }
        const byStream = (a: Entry, b: Entry): number => a.stream - b.stream
        assert.deepEqual(table.values().sort(byStream), [...map.values()].sort(byStream))
      }),
    )
  })

  it('lets go of what was removed, with everything that came after it', () => {
    const table = new StreamTable<Entry>()
    const [first, second] = [new Entry(1), new Entry(513)]
    table.add(first)
    table.add(second)
    table.remove(second)
    table.remove(first)
    assert.deepEqual([first.nextInBucket, second.nextInBucket, table.size], [undefined, undefined, 0])
  })
})
