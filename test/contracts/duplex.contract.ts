/** What every Duplex promises. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Duplex } from '../../src/ports/duplex.ts'
import { concat } from '../support/frame-arbitraries.ts'

export interface DuplexScope extends AsyncDisposable {
  /** Both ends of one stream. */
  readonly ends: readonly [Duplex, Duplex]
  /** Lets time pass until `condition` holds; fails when it never does. */
  readonly until: (condition: () => boolean) => Promise<void>
}

/** Everything that one end was told. */
class Told {
  readonly chunks: Uint8Array[] = []
  drains = 0
  readonly ends: unknown[] = []
  /** Depth of events; two at once would be a call from within another. */
  #depth = 0

  #event(what: () => void): void {
    this.#depth += 1
    assert.equal(this.#depth, 1, 'an event came from within another')
    assert.equal(this.ends.length, 0, 'an event came after the end')
    what()
    this.#depth -= 1
  }

  received(bytes: Uint8Array): void {
    this.#event(() => this.chunks.push(bytes))
  }

  drained(): void {
    this.#event(() => this.drains++)
  }

  closed(error: unknown): void {
    this.#event(() => this.ends.push(error))
  }

  get bytes(): number {
    return this.chunks.reduce((sum, chunk) => sum + chunk.length, 0)
  }
}

const pattern = (length: number, from = 0): Uint8Array =>
  Uint8Array.from({ length }, (_, index) => (index + from) % 251)

/** @param open gives an unused stream each time */
export function duplexContract(
  name: string,
  open: () => Promise<DuplexScope>,
  /** `end`: the other side cannot tell that a stream was aborted (libp2p's QUIC). */
  { abortIsSeenAs = 'error' }: { readonly abortIsSeenAs?: 'error' | 'end' } = {},
): void {
  describe(`${name} as a Duplex`, () => {
    it('brings everything in order, both ways at once', async () => {
      await using scope = await open()
      const told = scope.ends.map(() => new Told()) as [Told, Told]
      scope.ends[0].start(told[0])
      scope.ends[1].start(told[1])
      for (let turn = 0; turn < 50; turn += 1) {
        scope.ends[0].send([pattern(100, turn * 300), pattern(200, turn * 300 + 100)])
        scope.ends[1].send([pattern(7, turn * 7)])
      }
      await scope.until(() => told[1].bytes === 15_000 && told[0].bytes === 350)
      assert.deepEqual(concat(told[1].chunks), pattern(15_000))
      assert.deepEqual(concat(told[0].chunks), pattern(350))
    })

    it('keeps what came before it was started', async () => {
      await using scope = await open()
      const [sender, reader] = [new Told(), new Told()]
      scope.ends[0].start(sender)
      scope.ends[0].send([pattern(1_000)])
      scope.ends[0].close()
      let looks = 0
      await scope.until(() => looks++ === 3)
      scope.ends[1].start(reader)
      await scope.until(() => reader.ends.length === 1)
      assert.deepEqual([concat(reader.chunks), reader.ends], [pattern(1_000), [undefined]])
    })

    it('tells of nothing from within a call', async () => {
      await using scope = await open()
      const told = [new Told(), new Told()] as const
      let isInside = false
      const inside = (call: () => void): void => {
        isInside = true
        call()
        isInside = false
      }
      const outside = (tell: () => void): void => {
        assert.ok(!isInside)
        tell()
      }
      const events = (each: Told) => ({
        received: (bytes: Uint8Array) => outside(() => each.received(bytes)),
        drained: () => outside(() => each.drained()),
        closed: (error: unknown) => outside(() => each.closed(error)),
      })
      inside(() => scope.ends[0].start(events(told[0])))
      inside(() => scope.ends[1].start(events(told[1])))
      inside(() => scope.ends[0].send([pattern(4 * 1024 * 1024)]))
      await scope.until(() => told[1].bytes === 4 * 1024 * 1024)
      inside(() => scope.ends[0].close())
      await scope.until(() => told[1].ends.length === 1)
    })

    it('says when it holds enough, and once when it takes more again', async () => {
      await using scope = await open()
      const told = [new Told(), new Told()] as const
      scope.ends[0].start(told[0])
      scope.ends[1].start(told[1])
      let sent = 0
      while (sent < 64 * 1024 * 1024) {
        sent += 1024 * 1024
        if (!scope.ends[0].send([pattern(1024 * 1024)])) break
      }
      assert.ok(sent < 64 * 1024 * 1024, 'it never says so')
      assert.equal(told[0].drains, 0)
      await scope.until(() => told[0].drains === 1 && told[1].bytes === sent)
      assert.equal(told[0].drains, 1)
    })

    it('delivers everything before a close, and tells both sides', async () => {
      await using scope = await open()
      const told = [new Told(), new Told()] as const
      scope.ends[0].start(told[0])
      scope.ends[1].start(told[1])
      scope.ends[0].send([pattern(500_000)])
      scope.ends[0].close()
      assert.equal(scope.ends[0].send([pattern(1)]), false)
      scope.ends[0].close()
      await scope.until(() => told[0].ends.length === 1 && told[1].ends.length === 1)
      assert.deepEqual([told[1].bytes, told[0].ends, told[1].ends], [500_000, [undefined], [undefined]])
      scope.ends[1].close()
      assert.equal(scope.ends[1].send([pattern(1)]), false)
    })

    it('ends at once when it is aborted, with the error here and one of its own there', async () => {
      await using scope = await open()
      const told = [new Told(), new Told()] as const
      const error = new Error('enough')
      scope.ends[0].start(told[0])
      scope.ends[1].start(told[1])
      scope.ends[0].abort(error)
      scope.ends[0].abort(new Error('again'))
      assert.equal(scope.ends[0].send([pattern(1)]), false)
      await scope.until(() => told[0].ends.length === 1 && told[1].ends.length === 1)
      assert.equal(told[0].ends[0], error)
      if (abortIsSeenAs === 'error') assert.ok(told[1].ends[0] instanceof Error)
      else assert.equal(told[1].ends[0], undefined)
    })
  })
}
