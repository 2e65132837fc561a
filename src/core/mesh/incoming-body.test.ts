/** Bodies on their way in: everything in order, at the reader's pace, and little memory beside the bytes themselves. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { concat } from '../../../test/support/frame-arbitraries.ts'
import { heldBytes } from '../../../test/support/heap.ts'
import { IncomingBody } from './incoming-body.ts'

class Owner {
  taken = 0
  stops = 0

  bodyTaken(bytes: number): void {
    this.taken += bytes
  }

  bodyStopped(): void {
    this.stops += 1
  }
}

const open = (): { owner: Owner; body: IncomingBody } => {
  const owner = new Owner()
  return { owner, body: new IncomingBody(owner) }
}

/** A view at the end of an array that is much larger, as one frame among many of one read. */
function viewOf(bytes: Uint8Array, arrayBytes: number): Uint8Array {
  const array = new Uint8Array(Math.max(arrayBytes, bytes.length))
  array.set(bytes, array.length - bytes.length)
  return array.subarray(array.length - bytes.length)
}

describe('IncomingBody', () => {
  it('gives what came, in order, however reads and pieces alternate', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(
          fc.record({
            size: fc.oneof(fc.integer({ min: 0, max: 50 }), fc.integer({ min: 3_000, max: 9_000 })),
            array: fc.constantFrom(0, 2_000, 65_536, 200_000),
            reads: fc.nat({ max: 3 }),
          }),
          { maxLength: 60 },
        ),
        async (steps) => {
          const { owner, body } = open()
          const sent: Uint8Array[] = []
          const got: Uint8Array[] = []
          let reading: Promise<unknown> | undefined
          let isEnded = false
          let count = 0
          const read = (): void => {
            reading ??= body.next().then(({ done, value }) => {
              reading = undefined
              if (done === true) isEnded = true
              else got.push(value)
            })
          }
          for (const { size, array, reads } of steps) {
            const bytes = Uint8Array.from({ length: size }, () => count++ % 251)
            sent.push(bytes)
            body.push(viewOf(bytes, array))
            for (let turn = 0; turn < reads; turn += 1) {
              read()
              await Promise.resolve()
              await Promise.resolve()
            }
          }
          body.end()
          while (!isEnded) {
            read()
            await reading
          }
          assert.deepEqual(concat(got), concat(sent))
          assert.deepEqual([owner.taken, owner.stops, body.unreadBytes], [count, 0, 0])
        },
      ),
      { numRuns: 200 },
    )
  })

  it('pins little beside the bytes, whether they are read at once or late', async () => {
    for (const isReadAtOnce of [true, false]) {
      const { body } = open()
      const kept: Uint8Array[] = []
      const before = heldBytes()
      for (let count = 0; count < 3_000; count += 1) {
        const reading = isReadAtOnce ? body.next() : undefined
        body.push(viewOf(Uint8Array.of(count), 65_536))
        if (reading !== undefined) kept.push((await reading).value as Uint8Array)
      }
      if (!isReadAtOnce) {
        body.end()
        for await (const chunk of body) kept.push(chunk)
      }
      assert.equal(concat(kept).length, 3_000)
      const grown = heldBytes() - before
      assert.ok(grown < 1_500_000, `${grown} bytes for 3,000 that came with 196 MB around them`)
    }
  })

  it('gives a body that came in one piece whole, without a copy', () => {
    const { body } = open()
    const view = viewOf(Uint8Array.of(1, 2, 3), 1_000)
    body.push(view)
    assert.equal(body.takeWhole(), undefined)
    body.end()
    assert.equal(body.takeWhole(), view)
    assert.equal(body.unreadBytes, 0)
  })

  it('gives a body of many pieces whole', () => {
    const { body } = open()
    for (let part = 0; part < 100; part += 1) body.push(viewOf(new Uint8Array(100).fill(part), 65_536))
    body.end()
    assert.deepEqual(
      body.takeWhole(),
      Uint8Array.from({ length: 10_000 }, (_, index) => Math.floor(index / 100)),
    )
  })

  it('fails after the bytes that came before', async () => {
    const { body } = open()
    const error = new Error('broken')
    body.push(Uint8Array.of(1))
    body.fail(error)
    body.push(Uint8Array.of(2))
    assert.deepEqual(await body.next(), { done: false, value: Uint8Array.of(1) })
    await assert.rejects(body.next(), error)
    assert.equal((await body.next()).done, true)
  })

  it('aborts before the bytes that wait', async () => {
    const { body } = open()
    const error = new Error('enough')
    body.push(Uint8Array.of(1))
    body.abort(error)
    await assert.rejects(body.next(), error)
    assert.equal((await body.next()).done, true)
  })

  it('tells once that its reader stopped early, and not where everything was read', async () => {
    const early = open()
    early.body.push(Uint8Array.of(1))
    early.body.end()
    await early.body.return()
    await early.body.return()
    assert.equal(early.owner.stops, 1)
    const late = open()
    late.body.push(Uint8Array.of(1))
    late.body.end()
    await late.body.next()
    await late.body.return()
    assert.equal(late.owner.stops, 0)
  })

  it('refuses two reads at the same time instead of losing one', async () => {
    const { body } = open()
    const first = body.next()
    await assert.rejects(body.next(), /read twice/)
    body.push(Uint8Array.of(1))
    assert.deepEqual((await first).value, Uint8Array.of(1))
  })
})
