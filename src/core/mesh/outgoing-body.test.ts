/** Bodies on their way out: read a little ahead, never twice at once, stopped when nobody wants the rest. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { settled } from '../../../test/support/settled.ts'
import { LIMITS } from '../limits.ts'
import { OutgoingBody } from './outgoing-body.ts'

class Owner {
  ready = 0
  readonly failures: unknown[] = []

  bodyReady(): void {
    this.ready += 1
  }

  bodyFailed(error: unknown): void {
    this.failures.push(error)
  }
}

/** A source that notes what is asked of it. */
class Source implements AsyncIterableIterator<Uint8Array> {
  reads = 0
  returns = 0
  #isReading = false
  readonly #next: (read: number) => Uint8Array | undefined

  constructor(next: (read: number) => Uint8Array | undefined) {
    this.#next = next
  }

  async next(): Promise<IteratorResult<Uint8Array>> {
    assert.ok(!this.#isReading, 'it is read twice at the same time')
    this.#isReading = true
    this.reads += 1
    const value = this.#next(this.reads)
    await Promise.resolve()
    this.#isReading = false
    return value === undefined ? { done: true, value: undefined } : { done: false, value }
  }

  async return(): Promise<IteratorResult<Uint8Array>> {
    this.returns += 1
    return { done: true, value: undefined }
  }

  [Symbol.asyncIterator](): this {
    return this
  }
}

function open(source: AsyncIterable<Uint8Array> | Uint8Array | undefined): { owner: Owner; body: OutgoingBody } {
  const owner = new Owner()
  const body = new OutgoingBody(owner, source)
  body.start()
  return { owner, body }
}

describe('OutgoingBody', () => {
  it('reads no further ahead than it may, in bytes and in chunks', async () => {
    for (const [size, reads] of [
      [8 * 1024, LIMITS.meshAheadBytes.value / (8 * 1024)],
      [1, LIMITS.meshAheadItems.value],
      [1024 * 1024, 1],
    ] as const) {
      const source = new Source(() => new Uint8Array(size))
      const { body } = open(source)
      await settled()
      assert.equal(source.reads, reads)
      body.take(size)
      await settled()
      assert.equal(source.reads, reads + 1)
    }
  })

  it('gives pieces of the size that is asked for', async () => {
    const { body } = open(Uint8Array.of(1, 2, 3, 4, 5))
    const pieces = [body.take(2), body.take(2), body.take(2)]
    assert.deepEqual(pieces, [Uint8Array.of(1, 2), Uint8Array.of(3, 4), Uint8Array.of(5)])
    assert.equal(body.isDone, true)
  })

  it('is done where there is nothing', async () => {
    assert.equal(open(undefined).body.isDone, true)
    assert.equal(open(new Uint8Array(0)).body.isDone, true)
    const { body, owner } = open(new Source((read) => (read < 4 ? new Uint8Array(0) : undefined)))
    await settled()
    assert.deepEqual([body.isDone, owner.failures], [true, []])
    assert.ok(owner.ready > 0)
  })

  it('tells of a source that breaks, keeps what came before it, and is not done', async () => {
    const error = new Error('broken')
    for (const failing of [
      new Source((read) => {
        if (read === 2) throw error
        return Uint8Array.of(7)
      }),
      {
        [Symbol.asyncIterator]: () => {
          let reads = 0
          return {
            // Not every source is an async function.
            next(): Promise<IteratorResult<Uint8Array>> {
              if (reads++ > 0) throw error
              return Promise.resolve({ done: false, value: Uint8Array.of(7) })
            },
          }
        },
      },
    ]) {
      const { body, owner } = open(failing)
      await settled()
      assert.deepEqual([owner.failures, body.waitingBytes, body.isDone], [[error], 1, false])
      assert.deepEqual(body.take(9), Uint8Array.of(7))
      assert.equal(body.isDone, false)
    }
  })

  it('stops its source once, drops what waits, and hears nothing more of it', async () => {
    const source = new Source((read) => (read > 2 ? undefined : new Uint8Array(LIMITS.meshAheadBytes.value / 2 + 1)))
    const { body, owner } = open(source)
    await settled()
    const { ready } = owner
    body.stop()
    body.stop()
    await settled()
    assert.deepEqual([source.returns, body.waitingBytes, owner.ready, owner.failures], [1, 0, ready, []])
  })

  it('does not stop a source that has ended', async () => {
    const source = new Source((read) => (read === 1 ? new Uint8Array(5) : undefined))
    const { body } = open(source)
    await settled()
    body.stop()
    assert.equal(source.returns, 0)
  })
})
