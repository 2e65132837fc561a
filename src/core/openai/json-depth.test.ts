/** The depth of a JSON text, against the depth of what a parser makes of it. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { nestsDeeperThan } from './json-depth.ts'

const depthOf = (value: unknown): number => {
  if (typeof value !== 'object' || value === null) return 0
  return 1 + Math.max(0, ...Object.values(value).map(depthOf))
}

describe('nestsDeeperThan', () => {
  it('says what the parsed value says', () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 8 }), (value) => {
        const depth = depthOf(value)
        const json = Buffer.from(JSON.stringify(value))
        assert.equal(nestsDeeperThan(json, depth), false)
        if (depth > 0) assert.equal(nestsDeeperThan(json, depth - 1), true)
      }),
    )
  })

  it('sees no brackets in strings, whatever is escaped before their end', () => {
    for (const text of ['[[[[', '"[[[[', '\\', '\\"[[[', '\\\\"{{{', '[\\']) {
      const json = Buffer.from(JSON.stringify({ [text]: text }))
      assert.equal(nestsDeeperThan(json, 1), false, text)
    }
  })

  it('takes a few milliseconds for what a parser takes seconds for', () => {
    const json = Buffer.from(`${'['.repeat(4_000_000)}${']'.repeat(4_000_000)}`)
    const startedAt = performance.now()
    assert.equal(nestsDeeperThan(json, 64), true)
    assert.equal(nestsDeeperThan(Buffer.from('"'.padEnd(8_000_000, '\\')), 64), false)
    assert.ok(performance.now() - startedAt < 500)
  })
})
