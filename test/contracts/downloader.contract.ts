/** What every Downloader promises. */
import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import type { Download, Downloader } from '../../src/ports/downloader.ts'

export interface DownloaderSubject {
  readonly downloader: Downloader
  /** Where `bytes` are. */
  readonly address: string
  /** Where nothing is. */
  readonly missing: string
  /** Puts other bytes of another version at `address`. */
  change(bytes: Uint8Array): Promise<void>
}

const bytes = Buffer.from(Array.from({ length: 200_000 }, (_, index) => index % 251))

async function collect({ body }: Download): Promise<Buffer> {
  const chunks: Uint8Array[] = []
  for await (const chunk of body) chunks.push(chunk)
  return Buffer.concat(chunks)
}

export function downloaderContract(
  kind: string,
  open: (t: TestContext, bytes: Uint8Array) => Promise<DownloaderSubject>,
): void {
  describe(`${kind} as a Downloader`, () => {
    const { signal } = new AbortController()

    it('declares the size and gives every byte', async (t) => {
      const { downloader, address } = await open(t, bytes)
      await using download = await downloader.open(address, { fromByte: 0, validator: undefined, signal })
      assert.equal(download.sizeBytes, bytes.length)
      assert.equal(download.offset, 0)
      assert(download.validator !== undefined)
      assert.deepEqual(await collect(download), bytes)
    })

    it('begins in the middle of the same version', async (t) => {
      const { downloader, address } = await open(t, bytes)
      await using first = await downloader.open(address, { fromByte: 0, validator: undefined, signal })
      for (const fromByte of [1, 150_000, bytes.length]) {
        await using download = await downloader.open(address, { fromByte, validator: first.validator, signal })
        assert.equal(download.offset, fromByte)
        assert.equal(download.sizeBytes, bytes.length)
        assert.deepEqual(await collect(download), bytes.subarray(fromByte))
      }
    })

    it('begins at the start of another version', async (t) => {
      const { downloader, address, change } = await open(t, bytes)
      await using first = await downloader.open(address, { fromByte: 0, validator: undefined, signal })
      await change(bytes.subarray(0, 1_000))
      await using download = await downloader.open(address, { fromByte: 10, validator: first.validator, signal })
      assert.equal(download.offset, 0)
      assert.equal(download.sizeBytes, 1_000)
      assert.notEqual(download.validator, first.validator)
      assert.deepEqual(await collect(download), bytes.subarray(0, 1_000))
    })

    it('says that trying again is useless where nothing is', async (t) => {
      const { downloader, missing } = await open(t, bytes)
      await assert.rejects(
        downloader.open(missing, { fromByte: 0, validator: undefined, signal }),
        (error: unknown) => {
          assert(error instanceof Error && 'code' in error && 'details' in error)
          assert.equal(error.code, 'download_failed')
          assert.equal((error.details as { shouldRetry?: boolean }).shouldRetry, false)
          return true
        },
      )
    })

    it('stops when the signal aborts', async (t) => {
      const { downloader, address } = await open(t, bytes)
      const stop = new AbortController()
      await using download = await downloader.open(address, { fromByte: 0, validator: undefined, signal: stop.signal })
      const reading = (async () => {
        for await (const chunk of download.body) {
          assert(chunk.length > 0)
          stop.abort(new Error('enough'))
        }
      })()
      // A body that had arrived whole before the abort may also end.
      await reading.catch((error: unknown) => assert.match(String(error), /enough/))
      const gone = { fromByte: 0, validator: undefined, signal: AbortSignal.abort(new Error('gone')) }
      await assert.rejects(downloader.open(address, gone), /gone/)
    })
  })
}
