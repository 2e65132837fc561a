/** The byte channel: nothing lost, nothing reordered, and honest about being full. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { ByteChannel, bodyOf } from './byte-channel.ts'

/** What a producer or a consumer does next. */
const step = fc.oneof(
  fc.record({ kind: fc.constant('push' as const), sizeBytes: fc.nat({ max: 40 }) }),
  fc.record({ kind: fc.constant('read' as const) }),
)

type Outcome = { readonly bytes: number[]; readonly ending: 'done' | 'failed' | 'open' }

async function drain(reads: readonly Promise<IteratorResult<Uint8Array, undefined>>[]): Promise<Outcome> {
  const bytes: number[] = []
  for (const result of await Promise.allSettled(reads)) {
    if (result.status === 'rejected') return { bytes, ending: 'failed' }
    if (result.value.done === true) return { bytes, ending: 'done' }
    bytes.push(...result.value.value)
  }
  return { bytes, ending: 'open' }
}

describe('ByteChannel', () => {
  it('gives out what was put in, in order, and then its end or its failure', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 60 }), fc.boolean(), async (steps, fails) => {
        const channel = new ByteChannel({ highWaterBytes: 64 })
        const pushed: number[] = []
        const reads: Promise<IteratorResult<Uint8Array, undefined>>[] = []
        let isWaiting = false
        for (const next of steps) {
          if (next.kind === 'push') {
            const chunk = Uint8Array.from({ length: next.sizeBytes }, () => pushed.length % 251)
            for (const value of chunk) pushed.push(value)
            channel.push(chunk)
            if (chunk.length > 0) isWaiting = false
          } else if (!isWaiting) {
            // One consumer: it asks again only once it has been answered.
            isWaiting = channel.waitingBytes === 0
            reads.push(channel.next())
          }
        }
        if (fails) channel.fail(new Error('cut'))
        else channel.end()
        while (channel.waitingBytes > 0) reads.push(channel.next())
        reads.push(channel.next())
        assert.deepEqual(await drain(reads), { bytes: pushed, ending: fails ? 'failed' : 'done' })
      }),
    )
  })

  it('is full from the high-water mark on, and drained once below half of it', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 200 }), fc.array(step, { maxLength: 80 }), (highWaterBytes, steps) => {
        let drains = 0
        const channel = new ByteChannel({
          highWaterBytes,
          onDrain: () => {
            drains += 1
          },
        })
        const waiting: number[] = []
        let isFull = false
        let expectedDrains = 0
        const sum = (): number => waiting.reduce((total, sizeBytes) => total + sizeBytes, 0)
        for (const next of steps) {
          if (next.kind === 'push') {
            if (next.sizeBytes > 0) waiting.push(next.sizeBytes)
            if (sum() >= highWaterBytes) isFull = true
            assert.equal(channel.push(new Uint8Array(next.sizeBytes)), !isFull)
          } else if (waiting.length > 0) {
            waiting.shift()
            void channel.next()
            if (isFull && sum() * 2 <= highWaterBytes) {
              isFull = false
              expectedDrains += 1
            }
          }
          assert.equal(channel.waitingBytes, sum())
          assert.equal(drains, expectedDrains)
        }
      }),
    )
  })

  it('hands a chunk straight to a waiting reader without counting it', async () => {
    const channel = new ByteChannel({ highWaterBytes: 1 })
    const read = channel.next()
    assert.equal(channel.push(Uint8Array.of(1, 2, 3)), true)
    assert.equal(channel.waitingBytes, 0)
    assert.deepEqual((await read).value, Uint8Array.of(1, 2, 3))
  })

  it('wakes a waiting reader at the end and at a failure', async () => {
    const ending = new ByteChannel({ highWaterBytes: 1 })
    const last = ending.next()
    ending.end()
    assert.equal((await last).done, true)
    const failing = new ByteChannel({ highWaterBytes: 1 })
    const broken = failing.next()
    failing.fail('cut')
    await assert.rejects(broken, (error) => error === 'cut')
    assert.equal((await failing.next()).done, true)
  })

  it('ignores what comes after the end', async () => {
    const channel = new ByteChannel({ highWaterBytes: 10 })
    channel.push(Uint8Array.of(1))
    channel.end()
    channel.push(Uint8Array.of(2))
    channel.fail(new Error('too late'))
    const chunks = await Array.fromAsync(channel)
    assert.deepEqual(chunks, [Uint8Array.of(1)])
  })

  it('tells the producer once when the reader leaves, and drops what waits', async () => {
    let cancels = 0
    const channel = new ByteChannel({
      highWaterBytes: 10,
      onCancel: () => {
        cancels += 1
      },
    })
    channel.push(Uint8Array.of(1))
    channel.push(Uint8Array.of(2))
    for await (const _chunk of channel) break
    await channel.return()
    assert.equal(cancels, 1)
    assert.equal(channel.waitingBytes, 0)
    assert.equal((await channel.next()).done, true)
  })

  it('ends a read that is still waiting when the reader leaves', async () => {
    const channel = new ByteChannel({ highWaterBytes: 10 })
    const read = channel.next()
    await channel.return()
    assert.equal((await read).done, true)
  })

  it('does not tell a producer that has ended already', async () => {
    let cancels = 0
    const channel = new ByteChannel({
      highWaterBytes: 10,
      onCancel: () => {
        cancels += 1
      },
    })
    channel.push(Uint8Array.of(1))
    channel.end()
    await channel.return()
    assert.equal(cancels, 0)
  })
})

describe('bodyOf', () => {
  it('is a body of what it was given', async () => {
    assert.deepEqual(await Array.fromAsync(bodyOf(Uint8Array.of(1), Uint8Array.of(2))), [
      Uint8Array.of(1),
      Uint8Array.of(2),
    ])
    assert.deepEqual(await Array.fromAsync(bodyOf()), [])
  })
})
