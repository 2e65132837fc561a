/** Tests of HTTP downloads against a server on loopback. */
import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import { downloaderContract } from '../../../test/contracts/downloader.contract.ts'
import { startFileServer } from '../../../test/support/file-server.ts'
import { HeddleError } from '../../core/errors.ts'
import { limit } from '../../core/limits.ts'
import type { Download } from '../../ports/downloader.ts'
import { HttpDownloader } from './http-downloader.ts'

const bytes = Buffer.alloc(100_000, 'model ')
const fresh = { fromByte: 0, validator: undefined, signal: new AbortController().signal }

function downloaderFor(t: TestContext, stallMs = 5_000): HttpDownloader {
  const downloader = new HttpDownloader({ connectTimeoutMs: 1_000, stallMs, userAgent: 'heddle-test' })
  t.after(() => downloader[Symbol.asyncDispose]())
  return downloader
}

async function read({ body }: Download): Promise<number> {
  let size = 0
  for await (const chunk of body) size += chunk.length
  return size
}

async function failure(work: Promise<unknown>): Promise<HeddleError> {
  const error = await work.then(
    () => assert.fail('it succeeded'),
    (cause: unknown) => cause,
  )
  assert(error instanceof HeddleError && error.code === 'download_failed', String(error))
  return error
}

downloaderContract('HttpDownloader', async (t, content) => {
  const server = await startFileServer(t, { bytes: content })
  const absent = await startFileServer(t, { bytes: content, statuses: [404] })
  return {
    downloader: downloaderFor(t),
    address: server.url,
    missing: absent.url,
    change: async (other) => void Object.assign(server.habits, { bytes: other, etag: '"v2"' }),
  }
})

describe('HttpDownloader', () => {
  it('asks for the uncompressed file and refuses a compressed one', async (t) => {
    const server = await startFileServer(t, { bytes, headers: { 'content-encoding': 'gzip' } })
    assert.match((await failure(downloaderFor(t).open(server.url, fresh))).message, /compressed/)
  })

  it('refuses a server that does not declare the size', async (t) => {
    const server = await startFileServer(t, { bytes, declared: 'none' })
    const error = await failure(downloaderFor(t).open(server.url, fresh))
    assert.match(error.message, /how large/)
    assert.equal(error.details.shouldRetry, false)
  })

  it('starts over where the server knows no ranges', async (t) => {
    const server = await startFileServer(t, { bytes, ranges: false })
    await using download = await downloaderFor(t).open(server.url, { ...fresh, fromByte: 10, validator: '"v1"' })
    assert.equal(download.offset, 0)
    assert.equal(await read(download), bytes.length)
  })

  it('starts over where the server has less than it is asked for', async (t) => {
    const server = await startFileServer(t, { bytes })
    await using download = await downloaderFor(t).open(server.url, {
      ...fresh,
      fromByte: bytes.length + 1,
      validator: '"v1"',
    })
    assert.equal(download.offset, 0)
    assert.equal(await read(download), bytes.length)
  })

  it('uses no weak version for a range', async (t) => {
    const server = await startFileServer(t, { bytes, etag: 'W/"v1"' })
    await using download = await downloaderFor(t).open(server.url, fresh)
    assert.equal(download.validator, undefined)
  })

  it('says that a cut or stalled download may be tried again', async (t) => {
    const cut = await startFileServer(t, { bytes, cuts: [30_000] })
    const stalled = await startFileServer(t, { bytes, stalls: [30_000] })
    const downloader = downloaderFor(t, 300)
    for (const { url } of [cut, stalled]) {
      await using download = await downloader.open(url, fresh)
      assert.equal((await failure(read(download))).details.shouldRetry, true)
    }
  })

  it('tells passing troubles of the server from final ones', async (t) => {
    for (const [status, shouldRetry] of [
      [429, true],
      [503, true],
      [401, false],
      [404, false],
    ] as const) {
      const server = await startFileServer(t, { bytes, statuses: [status] })
      const error = await failure(downloaderFor(t).open(server.url, fresh))
      assert.equal(error.details.shouldRetry, shouldRetry, String(status))
      assert.match(error.message, new RegExp(String(status)))
    }
  })

  it('says so where nothing listens, without the query of the address', async (t) => {
    const server = await startFileServer(t, { bytes })
    const closed = new URL(server.url)
    closed.port = '1'
    closed.search = '?signature=secret'
    const error = await failure(downloaderFor(t).open(closed.href, fresh))
    assert.match(error.message, /nothing listens/)
    assert(!error.message.includes('secret'))
  })

  it('follows a redirect with its range', async (t) => {
    const server = await startFileServer(t, { bytes, redirect: '/real.gguf' })
    await using download = await downloaderFor(t).open(server.url, { ...fresh, fromByte: 60_000, validator: '"v1"' })
    assert.equal(download.offset, 60_000)
    assert.equal(await read(download), 40_000)
    assert.deepEqual(
      server.requests.map(({ path }) => path),
      ['/file.gguf', '/real.gguf'],
    )
  })

  it('leaves a loop of redirects after the bound', async (t) => {
    const server = await startFileServer(t, { bytes, redirect: '/file.gguf?again' })
    assert.match((await failure(downloaderFor(t).open(server.url, fresh))).message, /redirects more than/)
    assert.equal(server.requests.length, limit('pullRedirects') + 1)
  })

  it('closes the connection of a download that is not read', async (t) => {
    const server = await startFileServer(t, { bytes: Buffer.alloc(50_000_000) })
    const download = await downloaderFor(t).open(server.url, fresh)
    await download[Symbol.asyncDispose]()
    await assert.rejects(read(download))
  })
})
