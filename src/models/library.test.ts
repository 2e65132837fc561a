/** Tests of the list of models, with files and time in memory. */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { describe, it } from 'node:test'
import { buildGguf, withEntry } from '../../test/support/gguf-builder.ts'
import { MemoryClock } from '../adapters/memory/memory-clock.ts'
import { MemoryModelFiles } from '../adapters/memory/memory-model-files.ts'
import { limit } from '../core/limits.ts'
import type { Logger } from '../ports/logger.ts'
import type { ModelFiles } from '../ports/model-files.ts'
import { ModelLibrary } from './library.ts'
import { pickDefault } from './pick-default.ts'

const live = { signal: new AbortController().signal }
const silent: Logger = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
  child: () => silent,
}

function scene(): { own: MemoryModelFiles; clock: MemoryClock; library: ModelLibrary } {
  const embedded = new MemoryModelFiles()
  embedded.put('demo.gguf', buildGguf())
  const own = new MemoryModelFiles()
  const clock = new MemoryClock()
  const library = new ModelLibrary({ clock, log: silent }, [
    { files: own, origin: 'user' },
    { files: embedded.asReadOnly(), origin: 'embedded' },
  ])
  return { own, clock, library }
}

const idsOf = (library: ModelLibrary): string[] => library.list().map(({ id }) => id)

describe('ModelLibrary', () => {
  it('offers every sound file, with what is known of it', async () => {
    const { own, library } = scene()
    const file = buildGguf(withEntry('general.name', { type: 'string', value: 'other' }))
    own.put('org/My Model.gguf', file)
    await library.rescan(live)
    assert.deepEqual(idsOf(library), ['demo', 'org/My-Model'])
    const model = library.find('org/My-Model')
    assert.equal(model?.origin, 'user')
    assert.equal(model?.summary.name, 'other')
    assert.equal(model?.digest, createHash('sha256').update(file).digest('hex'))
    assert.equal(library.find('org/my-model'), undefined)
  })

  it('never offers a file that fails the checks, and says why', async () => {
    const { own, library } = scene()
    own.put('short.gguf', buildGguf().subarray(0, -1))
    own.put('lora.gguf', buildGguf(withEntry('general.type', { type: 'string', value: 'adapter' })))
    own.put('piece.gguf', buildGguf(withEntry('split.count', { type: 'uint32', value: 2 })))
    own.put('模型.gguf', buildGguf())
    await library.rescan(live)
    assert.deepEqual(idsOf(library), ['demo'])
    const reasons = new Map(library.refused().map(({ fileName, reason }) => [fileName, reason]))
    assert.match(reasons.get('short.gguf') ?? '', /past the end/)
    assert.match(reasons.get('lora.gguf') ?? '', /no whole model/)
    assert.match(reasons.get('piece.gguf') ?? '', /one of 2 pieces/)
    assert.match(reasons.get('模型.gguf') ?? '', /no model id/)
  })

  it('lets the earlier folder have an id that two files claim', async () => {
    const { own, library } = scene()
    own.put('demo.gguf', buildGguf({ version: 2 }))
    await library.rescan(live)
    assert.equal(library.find('demo')?.origin, 'user')
    assert.match(library.refused()[0]?.reason ?? '', /id demo already/)
  })

  it('reads a file once for each of its versions', async () => {
    const { own, library } = scene()
    own.put('a.gguf', buildGguf())
    own.put('b.gguf', Buffer.from('not a model'))
    const opened: string[] = []
    const open = own.open.bind(own)
    own.open = (name, options) => {
      opened.push(name)
      return open(name, options)
    }
    for (let scans = 0; scans < 3; scans += 1) await library.rescan(live)
    assert.deepEqual(opened, ['a.gguf', 'b.gguf'])
    own.put('b.gguf', buildGguf())
    await library.rescan(live)
    assert.deepEqual(opened, ['a.gguf', 'b.gguf', 'b.gguf'])
    assert.deepEqual(idsOf(library), ['a', 'b', 'demo'])
  })

  it('tries again to read what the disk would not give', async () => {
    const { own, library } = scene()
    own.put('a.gguf', buildGguf())
    const open = own.open.bind(own)
    own.open = async () => await Promise.reject(new Error('input/output error'))
    await library.rescan(live)
    assert.equal(library.refused()[0]?.reason, 'it cannot be read')
    own.open = open
    await library.rescan(live)
    assert.deepEqual(idsOf(library), ['a', 'demo'])
  })

  it('finds new and lost files by itself while it watches, and tells of changes only', async () => {
    const { own, clock, library } = scene()
    await library.rescan(live)
    let changes = 0
    const stop = library.onChange(() => {
      changes += 1
    })
    {
      using _watch = library.watch()
      own.put('new.gguf', buildGguf())
      for (let polls = 0; polls < 3; polls += 1) await clock.advance(limit('modelScanMs'))
      await library.rescan(live)
      assert.deepEqual(idsOf(library), ['demo', 'new'])
      assert.equal(changes, 1)
    }
    stop()
    own.put('later.gguf', buildGguf())
    await clock.advance(10 * limit('modelScanMs'))
    assert.deepEqual(idsOf(library), ['demo', 'new'])
    assert.equal(clock.pending, 0)
  })

  it('goes on watching after a scan that failed', async () => {
    const { own, clock, library } = scene()
    const list: ModelFiles['list'] = own.list.bind(own)
    own.list = async () => await Promise.reject(new Error('input/output error'))
    using _watch = library.watch()
    await clock.advance(limit('modelScanMs'))
    own.list = list
    own.put('new.gguf', buildGguf())
    for (let polls = 0; polls < 3; polls += 1) await clock.advance(limit('modelScanMs'))
    await library.rescan(live)
    assert.deepEqual(idsOf(library), ['demo', 'new'])
  })

  it('removes a model of the user, never the embedded one', async () => {
    const { own, library } = scene()
    own.put('mine.gguf', buildGguf())
    await library.rescan(live)
    await library.remove('mine', live)
    assert.deepEqual(idsOf(library), ['demo'])
    assert.equal(own.files.size, 0)
    await assert.rejects(library.remove('demo', live), { code: 'conflict' })
    for (const id of ['mine', '../demo', ''])
      await assert.rejects(library.remove(id, live), { code: 'model_not_found' })
    assert.deepEqual(idsOf(library), ['demo'])
  })
})

describe('pickDefault', () => {
  it('takes the newest model of the user, else the demo', async () => {
    const { own, library } = scene()
    assert.deepEqual(pickDefault(library.list()), { model: undefined, demo: undefined, isOnlyDemo: false })
    await library.rescan(live)
    assert.equal(pickDefault(library.list()).model?.id, 'demo')
    assert.equal(pickDefault(library.list()).isOnlyDemo, true)
    own.put('z-older.gguf', buildGguf())
    own.put('a-newer.gguf', buildGguf())
    own.put('embedder.gguf', buildGguf(withEntry('llama.pooling_type', { type: 'uint32', value: 1 })))
    await library.rescan(live)
    const { model, demo, isOnlyDemo } = pickDefault(library.list())
    assert.equal(model?.id, 'a-newer')
    assert.equal(demo?.id, 'demo')
    assert.equal(isOnlyDemo, false)
  })
})
