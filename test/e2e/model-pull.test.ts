/** Pulling models for real: a server on loopback, a disk, a digest, and a file system that fills up. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdir, mkdtemp, readdir, readFile, rm, rmdir, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it, type TestContext } from 'node:test'
import { fileURLToPath } from 'node:url'
import { DiskModelFiles } from '../../src/adapters/files/disk-model-files.ts'
import { FileDownloader } from '../../src/adapters/files/file-downloader.ts'
import { HttpDownloader } from '../../src/adapters/files/http-downloader.ts'
import { SystemClock } from '../../src/adapters/system/system-clock.ts'
import { ModelLibrary } from '../../src/models/library.ts'
import { ModelPuller, type PullProgress } from '../../src/models/pull.ts'
import type { Logger } from '../../src/ports/logger.ts'
import { type FileServerHabits, startFileServer } from '../support/file-server.ts'
import { temporaryFolder } from '../support/tmp.ts'

const embedded = fileURLToPath(new URL('../../models/', import.meta.url))
const modelPath = join(embedded, 'tinychat-1.2m-q8_0.gguf')
const model = await readFile(modelPath)
const digest = createHash('sha256').update(model).digest('hex')
const live = { signal: new AbortController().signal }

const silent: Logger = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
  child: () => silent,
}

async function sceneWith(t: TestContext, habits: Partial<FileServerHabits> = {}, { reserveBytes = 0 } = {}) {
  const folder = join(await temporaryFolder(t), 'models')
  const { puller, files, clock } = pullerInto(t, folder, reserveBytes)
  return { folder, puller, files, clock, server: await startFileServer(t, { bytes: model, ...habits }) }
}

function pullerInto(t: TestContext, folder: string, reserveBytes: number) {
  const files = new DiskModelFiles({ folder, readOnly: false })
  const http = new HttpDownloader({ connectTimeoutMs: 1_000, stallMs: 500, userAgent: 'heddle-test' })
  t.after(() => http[Symbol.asyncDispose]())
  const clock = new SystemClock()
  const puller = new ModelPuller({ files, http, disk: new FileDownloader(), clock, log: silent }, { reserveBytes })
  return { files, clock, puller }
}

const stepsOf = (pull: AsyncIterable<PullProgress>): Promise<PullProgress[]> => Array.fromAsync(pull)

async function sha256Of(path: string): Promise<string> {
  return createHash('sha256')
    .update(await readFile(path))
    .digest('hex')
}

describe('pulling a model', () => {
  it('goes on after a cut and asks for no byte twice', async (t) => {
    const { folder, puller, server } = await sceneWith(t, { cuts: [400_000, 900_000] })
    const steps = await stepsOf(puller.pull(server.url, live))
    assert.deepEqual(steps.at(-1), { status: 'done', id: 'file', digest, total: model.length, completed: model.length })
    assert.equal(await sha256Of(join(folder, 'file.gguf')), digest)
    assert.deepEqual(server.served, [
      { from: 0, to: 400_000 },
      { from: 400_000, to: 900_000 },
      { from: 900_000, to: model.length },
    ])
    assert.deepEqual(
      server.requests.map(({ ifRange }) => ifRange),
      [undefined, '"v1"', '"v1"'],
    )
    assert.deepEqual((await readdir(folder)).toSorted(), ['file.gguf', 'file.gguf.digest.json'])
  })

  it('goes on after a stall', async (t) => {
    const { folder, puller, server } = await sceneWith(t, { stalls: [300_000] })
    await stepsOf(puller.pull(server.url, live))
    assert.equal(await sha256Of(join(folder, 'file.gguf')), digest)
    assert.deepEqual(
      server.served.map(({ from }) => from),
      [0, 300_000],
    )
  })

  it('starts over where the server knows no ranges', async (t) => {
    const { folder, puller, server } = await sceneWith(t, { ranges: false, cuts: [400_000] })
    await stepsOf(puller.pull(server.url, live))
    assert.equal(await sha256Of(join(folder, 'file.gguf')), digest)
    assert.deepEqual(
      server.served.map(({ from }) => from),
      [0, 0],
    )
  })

  it('starts over when the file at the server changes in between', async (t) => {
    const old = Buffer.alloc(500_000, 'GGUF old ')
    const { folder, puller, server } = await sceneWith(t, {
      bytes: old,
      cuts: [400_000],
      next: { bytes: model, etag: '"v2"' },
    })
    await stepsOf(puller.pull(server.url, live))
    assert.equal(await sha256Of(join(folder, 'file.gguf')), digest)
    assert.equal(server.requests[1]?.range, 'bytes=400000-')
    assert.deepEqual(
      server.served.map(({ from }) => from),
      [0, 0],
    )
  })

  it('waits and tries again while the server is busy', async (t) => {
    const { puller, server } = await sceneWith(t, { statuses: [503, 429] })
    assert.equal((await stepsOf(puller.pull(server.url, live))).at(-1)?.status, 'done')
    assert.equal(server.requests.length, 3)
  })

  it('resumes after it was cancelled, in another process as in this one', async (t) => {
    const { folder, puller, server } = await sceneWith(t, { stalls: [700_000] })
    const stop = new AbortController()
    const pulling = (async () => {
      for await (const { completed } of puller.pull(server.url, { signal: stop.signal })) {
        if ((completed ?? 0) > 0) stop.abort(new Error('enough'))
      }
    })()
    await assert.rejects(pulling, /enough/)
    const kept = (await stat(join(folder, 'file.gguf.part'))).size
    assert(kept > 0 && kept < model.length)
    const { puller: later } = pullerInto(t, folder, 0)
    await stepsOf(later.pull(server.url, live))
    assert.equal(server.served.at(-1)?.from, kept)
    assert.equal(await sha256Of(join(folder, 'file.gguf')), digest)
  })

  it('refuses and removes what has another digest', async (t) => {
    const { folder, puller, server } = await sceneWith(t)
    const pull = stepsOf(puller.pull(`${server.url}#sha256=${'0'.repeat(64)}`, live))
    await assert.rejects(pull, { code: 'digest_mismatch', message: /removed/ })
    assert.deepEqual(await readdir(folder), [])
  })

  it('refuses and removes a model that is cut short', async (t) => {
    const { folder, puller, server } = await sceneWith(t, { bytes: model.subarray(0, -4_096) })
    await assert.rejects(stepsOf(puller.pull(server.url, live)), {
      code: 'gguf_invalid',
      message: /past the end.*removed/,
    })
    assert.deepEqual(await readdir(folder), [])
  })

  it('refuses by its declared size what the disk cannot take', async (t) => {
    const { folder, puller, server } = await sceneWith(t, { declared: 2 ** 50 })
    await assert.rejects(stepsOf(puller.pull(server.url, live)), { code: 'storage_full' })
    assert.deepEqual(await readdir(folder), ['file.gguf.part'])
    assert.equal((await stat(join(folder, 'file.gguf.part'))).size, 0)
  })

  it('leaves the reserve of the disk alone', async (t) => {
    const { puller, server } = await sceneWith(t, {}, { reserveBytes: Number.MAX_SAFE_INTEGER })
    await assert.rejects(stepsOf(puller.pull(server.url, live)), { code: 'storage_full', message: /stay reserved/ })
  })

  it('leaves a loop of redirects and an address without a size', async (t) => {
    for (const habits of [{ redirect: '/file.gguf' }, { declared: 'none' as const }]) {
      const { puller, server } = await sceneWith(t, habits)
      await assert.rejects(stepsOf(puller.pull(server.url, live)), { code: 'download_failed' })
    }
  })

  it('lets one of two pulls of a name run, and both of two names', async (t) => {
    const { folder, puller, server } = await sceneWith(t)
    const outcomes = await Promise.allSettled([
      stepsOf(puller.pull(server.url, live)),
      stepsOf(puller.pull(server.url, live)),
      stepsOf(puller.pull(server.url, { ...live, name: 'org/second' })),
    ])
    const refusals = outcomes.filter(({ status }) => status === 'rejected')
    assert.equal(refusals.length, 1)
    assert.equal((refusals[0] as PromiseRejectedResult).reason.code, 'conflict')
    assert.equal(await sha256Of(join(folder, 'file.gguf')), digest)
    assert.equal(await sha256Of(join(folder, 'org', 'second.gguf')), digest)
  })

  it('takes a path and a file address, and is done at once the second time', async (t) => {
    const { puller } = await sceneWith(t)
    for (const reference of [modelPath, new URL('../../models/tinychat-1.2m-q8_0.gguf', import.meta.url).href]) {
      const name = reference === modelPath ? 'by-path' : 'by-address'
      assert.equal((await stepsOf(puller.pull(reference, { ...live, name }))).at(-1)?.digest, digest)
      assert.deepEqual(
        (await stepsOf(puller.pull(reference, { ...live, name }))).map(({ status }) => status),
        ['resolving', 'done'],
      )
    }
  })

  it('offers a pulled model beside the embedded one', async (t) => {
    const { puller, files, clock, server, folder } = await sceneWith(t)
    const library = new ModelLibrary({ clock, log: silent }, [
      { files, origin: 'user' },
      { files: new DiskModelFiles({ folder: embedded, readOnly: true }), origin: 'embedded' },
    ])
    await library.rescan(live)
    assert.deepEqual(
      library.list().map(({ id }) => id),
      ['tinychat-1.2m-q8_0'],
    )
    await stepsOf(puller.pull(server.url, { ...live, name: 'mine' }))
    await mkdir(join(folder, 'broken'))
    await writeFile(join(folder, 'broken', 'half.gguf'), model.subarray(0, 100_000))
    await library.rescan(live)
    assert.deepEqual(
      library.list().map(({ id, digest: known }) => [id, known]),
      [
        ['mine', digest],
        ['tinychat-1.2m-q8_0', digest],
      ],
    )
    assert.deepEqual(
      library.refused().map(({ fileName }) => fileName),
      ['broken/half.gguf'],
    )
    assert.equal(library.find('mine')?.path, join(folder, 'mine.gguf'))
    await library.remove('mine', live)
    await assert.rejects(stat(join(folder, 'mine.gguf')), { code: 'ENOENT' })
  })

  it('keeps what is here when a real disk fills up, and goes on when there is room', async (t) => {
    const disk = await smallDisk(t)
    if (disk === undefined)
      return t.diagnostic('this user may not mount a file system; the memory tests cover the rest')
    const server = await startFileServer(t, { bytes: model })
    const ballast = join(disk, 'ballast')
    // The check by size passes because the reserve is negative: as if another program filled the disk meanwhile.
    const { puller } = pullerInto(t, disk, -model.length)
    await writeFile(ballast, Buffer.alloc(1_500_000))
    await assert.rejects(stepsOf(puller.pull(server.url, live)), { code: 'storage_full', message: /disk is full/ })
    const kept = (await stat(join(disk, 'file.gguf.part'))).size
    assert(kept > 0 && kept < model.length)
    await rm(ballast)
    await stepsOf(puller.pull(server.url, live))
    assert.equal(server.served.at(-1)?.from, kept)
    assert.equal(await sha256Of(join(disk, 'file.gguf')), digest)
  })
})

/** A file system of 2 MiB in memory; undefined where this user may not mount one. */
async function smallDisk(t: TestContext): Promise<string | undefined> {
  const folder = await mkdtemp(join(tmpdir(), 'heddle-test-'))
  const run = (command: string, ...words: string[]): boolean =>
    spawnSync(command, [...words, folder], { stdio: 'ignore' }).status === 0
  const isMounted = run('mount', '-t', 'tmpfs', '-o', 'size=2m', 'tmpfs')
  t.after(async () => {
    if (isMounted) assert(run('umount', '-l'))
    await rmdir(folder)
  })
  return isMounted ? folder : undefined
}
