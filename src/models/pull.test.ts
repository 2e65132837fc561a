/** Tests of pulling a model, with disk, network and time in memory. */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { describe, it } from 'node:test'
import { buildGguf, withEntry } from '../../test/support/gguf-builder.ts'
import { MemoryClock } from '../adapters/memory/memory-clock.ts'
import { MemoryDownloader } from '../adapters/memory/memory-downloader.ts'
import { MemoryModelFiles } from '../adapters/memory/memory-model-files.ts'
import { limit } from '../core/limits.ts'
import type { ModelFileName } from '../core/models/model-file-name.ts'
import type { Logger } from '../ports/logger.ts'
import { ModelPuller, type PullProgress } from './pull.ts'

const model = buildGguf()
const digest = createHash('sha256').update(model).digest('hex')
const address = 'http://models.test/tiny.gguf'
const fileName = 'tiny.gguf' as ModelFileName
const live = { signal: new AbortController().signal }

const silent: Logger = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
  child: () => silent,
}

interface Scene {
  readonly files: MemoryModelFiles
  readonly http: MemoryDownloader
  readonly clock: MemoryClock
  readonly puller: ModelPuller
}

function sceneWith({ capacityBytes = 1_000_000, reserveBytes = 0 } = {}): Scene {
  const files = new MemoryModelFiles({ capacityBytes })
  const http = new MemoryDownloader()
  const clock = new MemoryClock()
  http.sources.set(address, { bytes: model, validator: '"1"' })
  const puller = new ModelPuller({ files, http, disk: new MemoryDownloader(), clock, log: silent }, { reserveBytes })
  return { files, http, clock, puller }
}

/** Runs a pull to its end, moving time on while it waits. */
async function run({ clock }: Scene, pull: AsyncIterable<PullProgress>): Promise<PullProgress[]> {
  const steps: PullProgress[] = []
  let ended = false
  const running = (async () => {
    for await (const step of pull) steps.push(step)
  })().finally(() => {
    ended = true
  })
  running.catch(() => undefined) // awaited below
  while (!ended) await clock.advance(limit('pullBackoffMs'))
  await running
  return steps
}

describe('ModelPuller', () => {
  it('tells its steps and ends with the digest', async () => {
    const scene = sceneWith()
    const steps = await run(scene, scene.puller.pull(address, live))
    assert.deepEqual([...new Set(steps.map(({ status }) => status))], ['resolving', 'pulling', 'verifying', 'done'])
    assert.deepEqual(steps.at(-1), { status: 'done', id: 'tiny', digest, total: model.length, completed: model.length })
    assert.deepEqual(Buffer.from(scene.files.files.get(fileName)?.bytes ?? []), model)
    assert.equal(scene.files.parts.size, 0)
  })

  it('asks for no byte twice when the download is cut', async () => {
    const scene = sceneWith()
    scene.http.sources.set(address, { bytes: model, validator: '"1"', cuts: [200, 500] })
    await run(scene, scene.puller.pull(address, live))
    assert.deepEqual(scene.http.tries, [
      { fromByte: 0, gave: 200 },
      { fromByte: 200, gave: 300 },
      { fromByte: 500, gave: model.length - 500 },
    ])
    assert.deepEqual(Buffer.from(scene.files.files.get(fileName)?.bytes ?? []), model)
  })

  it('gives up after the bound and goes on when asked again', async () => {
    const scene = sceneWith()
    const cuts = Array.from({ length: limit('pullRetries') + 1 }, (_, index) => 100 + index)
    scene.http.sources.set(address, { bytes: model, validator: '"1"', cuts })
    await assert.rejects(run(scene, scene.puller.pull(address, live)), { code: 'download_failed' })
    assert.equal(scene.http.tries.length, limit('pullRetries') + 1)
    assert.equal(scene.files.parts.get(fileName)?.bytes.length, 100 + limit('pullRetries'))
    await run(scene, scene.puller.pull(address, live))
    assert.equal(
      scene.http.tries.reduce((sum, { gave }) => sum + gave, 0),
      model.length,
    )
  })

  it('does not try again what cannot succeed', async () => {
    const { puller } = sceneWith()
    // Time stands still here: a second try would wait for ever.
    const pull = Array.fromAsync(puller.pull('http://models.test/none.gguf', live))
    await assert.rejects(pull, { code: 'download_failed' })
  })

  it('starts over when the source has another version meanwhile', async () => {
    const scene = sceneWith()
    const other = buildGguf(withEntry('general.name', { type: 'string', value: 'newer' }))
    scene.files.parts.set(fileName, {
      bytes: other.subarray(0, 100),
      origin: { source: address, validator: '"0"', sizeBytes: other.length },
    })
    await run(scene, scene.puller.pull(address, live))
    assert.deepEqual(Buffer.from(scene.files.files.get(fileName)?.bytes ?? []), model)
  })

  it('starts over when only trust could join two halves', async () => {
    const scene = sceneWith()
    scene.http.sources.set(address, { bytes: model, validator: undefined })
    const part = {
      bytes: model.subarray(0, 100),
      origin: { source: address, validator: undefined, sizeBytes: model.length },
    }
    scene.files.parts.set(fileName, part)
    await run(scene, scene.puller.pull(address, live))
    assert.equal(scene.http.tries[0]?.fromByte, 0)
    // With a digest the whole is checked, so the halves may be joined.
    await scene.files.remove(fileName, live)
    scene.files.parts.set(fileName, part)
    await run(scene, scene.puller.pull(address, { ...live, sha256: digest }))
    assert.equal(scene.http.tries[1]?.fromByte, 100)
  })

  it('starts over when the part came from elsewhere', async () => {
    const scene = sceneWith()
    const origin = { source: 'http://other.test/tiny.gguf', validator: '"1"', sizeBytes: model.length }
    scene.files.parts.set(fileName, { bytes: Buffer.alloc(100), origin })
    await run(scene, scene.puller.pull(address, live))
    assert.equal(scene.http.tries[0]?.fromByte, 0)
  })

  it('deletes what has another digest, and says which', async () => {
    const scene = sceneWith()
    const wrong = 'ab'.repeat(32)
    await assert.rejects(run(scene, scene.puller.pull(address, { ...live, sha256: wrong })), {
      code: 'digest_mismatch',
      message: new RegExp(`${digest}, not ${wrong}; the download was removed`),
    })
    assert.equal(scene.files.files.size + scene.files.parts.size, 0)
  })

  it('deletes what is no model, before it is loaded whole where it can', async () => {
    const scene = sceneWith()
    const page = Buffer.alloc(10_000, '<html>not found</html>')
    for (const [bytes, gave] of [
      [page, 64],
      [model.subarray(0, -1), model.length - 1],
      [buildGguf({ tensors: [] }), undefined],
      [buildGguf(withEntry('split.count', { type: 'uint32', value: 3 })), undefined],
      [buildGguf(withEntry('general.type', { type: 'string', value: 'adapter' })), undefined],
    ] as const) {
      scene.http.sources.set(address, { bytes, validator: '"1"' })
      await assert.rejects(run(scene, scene.puller.pull(address, live)), {
        code: 'gguf_invalid',
        message: /was removed/,
      })
      if (gave !== undefined) assert.equal(scene.http.tries.at(-1)?.gave, gave)
      assert.equal(scene.files.files.size + scene.files.parts.size, 0)
    }
  })

  it('refuses by the declared size what leaves too little of the disk', async () => {
    const scene = sceneWith({ capacityBytes: model.length + 99, reserveBytes: 100 })
    await assert.rejects(run(scene, scene.puller.pull(address, live)), { code: 'storage_full' })
    assert.equal(scene.http.tries[0]?.gave, 0)
    const roomy = sceneWith({ capacityBytes: model.length + 100, reserveBytes: 100 })
    assert.equal((await run(roomy, roomy.puller.pull(address, live))).at(-1)?.status, 'done')
  })

  it('counts what is here already when it asks for room', async () => {
    const scene = sceneWith({ capacityBytes: model.length })
    const origin = { source: address, validator: '"1"', sizeBytes: model.length }
    scene.files.parts.set(fileName, { bytes: model.subarray(0, 300), origin })
    assert.equal((await run(scene, scene.puller.pull(address, live))).at(-1)?.status, 'done')
  })

  it('keeps what is here when the disk fills up on the way', async () => {
    // The reserve is given back by a negative one: as if something else had taken the room after the check.
    const scene = sceneWith({ capacityBytes: 300, reserveBytes: -10_000 })
    await assert.rejects(run(scene, scene.puller.pull(address, live)), { code: 'storage_full' })
    assert.equal(scene.files.parts.get(fileName)?.bytes.length, 300)
    assert.equal(scene.files.files.size, 0)
  })

  it('keeps what is here when it is cancelled, and goes on from there', async () => {
    const scene = sceneWith()
    const stop = new AbortController()
    const pulling = (async () => {
      for await (const { status } of scene.puller.pull(address, { signal: stop.signal })) {
        if (status === 'pulling') stop.abort(new Error('enough'))
      }
    })()
    await assert.rejects(pulling, /enough/)
    assert.equal(scene.files.parts.get(fileName)?.origin?.source, address)
    assert.equal((await run(scene, scene.puller.pull(address, live))).at(-1)?.status, 'done')
  })

  it('keeps what is here when its reader stops listening', async () => {
    const scene = sceneWith()
    for await (const { status } of scene.puller.pull(address, live)) if (status === 'pulling') break
    assert.equal((await run(scene, scene.puller.pull(address, live))).at(-1)?.status, 'done')
  })

  it('refuses a second pull of the same name while the first runs', async () => {
    const scene = sceneWith()
    const first = scene.puller.pull(address, live)
    await first.next()
    await first.next()
    await assert.rejects(run(scene, scene.puller.pull(address, live)), { code: 'conflict', message: /already/ })
    assert.equal((await run(scene, first)).at(-1)?.status, 'done')
  })

  it('is done at once with what is here already', async () => {
    const scene = sceneWith()
    await run(scene, scene.puller.pull(address, live))
    for (const sha256 of [undefined, digest]) {
      const steps = await run(scene, scene.puller.pull(address, { ...live, sha256 }))
      assert.deepEqual(
        steps.map(({ status }) => status),
        ['resolving', 'done'],
      )
      assert.equal(steps[1]?.digest, digest)
    }
    assert.equal(
      scene.http.tries.reduce((sum, { gave }) => sum + gave, 0),
      model.length,
    )
  })

  it('never replaces another file of the same name', async () => {
    const scene = sceneWith()
    scene.files.put('tiny.gguf', buildGguf(withEntry('general.name', { type: 'string', value: 'mine' })))
    for (const sha256 of [undefined, digest]) {
      await assert.rejects(run(scene, scene.puller.pull(address, { ...live, sha256 })), { code: 'conflict' })
    }
    scene.http.sources.set(address, { bytes: model, validator: '"2"' })
    await scene.files.remove(fileName, live)
    await run(scene, scene.puller.pull(address, live))
    scene.http.sources.set(address, { bytes: buildGguf({ version: 2 }), validator: '"3"' })
    await assert.rejects(run(scene, scene.puller.pull(address, live)), { code: 'conflict' })
    assert.equal((await run(scene, scene.puller.pull(address, { ...live, name: 'org/newer' }))).at(-1)?.id, 'org/newer')
  })
})
