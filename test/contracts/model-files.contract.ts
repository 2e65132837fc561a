/** What every ModelFiles promises. */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { describe, it, type TestContext } from 'node:test'
import type { ModelFileName } from '../../src/core/models/model-file-name.ts'
import type { ModelFileOrigin, ModelFiles } from '../../src/ports/model-files.ts'

/** An empty folder, opened for writing or reading only; `put` stores a file from outside and waits until its time differs. */
export interface ModelFilesSubject {
  readonly files: ModelFiles
  readonly readOnly: ModelFiles
  put(name: string, bytes: Uint8Array): Promise<void>
}

const bytes = Buffer.from('the bytes of a model')
const sha256 = createHash('sha256').update(bytes).digest('hex')
const origin: ModelFileOrigin = { source: 'http://models.test/a.gguf', validator: '"1"', sizeBytes: bytes.length }
const name = 'org/a.gguf' as ModelFileName
const BAD_NAMES = ['../a.gguf', '/a.gguf', 'a/../../b.gguf', 'a\0.gguf', '..\\a.gguf', '.a.gguf', 'a.bin', '']

export function modelFilesContract(kind: string, open: (t: TestContext) => Promise<ModelFilesSubject>): void {
  describe(`${kind} as ModelFiles`, () => {
    const live = { signal: new AbortController().signal }

    async function commit(files: ModelFiles): Promise<void> {
      await using part = await files.openPart(name, live)
      await part.restart(origin, live)
      await part.append(bytes, live)
      await part.commit(live)
    }

    it('is empty at first', async (t) => {
      const { files } = await open(t)
      assert.deepEqual(await files.list(live), { files: [], skipped: [] })
      assert.equal(await files.stat(name, live), undefined)
      await assert.rejects(files.open(name, live), { code: 'not_found' })
      assert((await files.freeBytes(live)) > 0)
    })

    it('shows a file only when it is whole', async (t) => {
      const { files } = await open(t)
      await using part = await files.openPart(name, live)
      await part.restart(origin, live)
      await part.append(bytes.subarray(0, 7), live)
      assert.equal(await files.stat(name, live), undefined)
      assert.deepEqual((await files.list(live)).files, [])
      await part.append(bytes.subarray(7), live)
      assert.deepEqual(Buffer.from(await part.read(4, 5, live)), bytes.subarray(4, 9))
      assert.equal(part.digest(), sha256)
      await part.commit(live)
      const [entry, ...more] = (await files.list(live)).files
      assert.equal(more.length, 0)
      assert.equal(entry?.name, name)
      assert.equal(entry?.sizeBytes, bytes.length)
    })

    it('reads from any place, and less where the file ends', async (t) => {
      const { files } = await open(t)
      await commit(files)
      await using file = await files.open(name, live)
      assert.equal(file.sizeBytes, bytes.length)
      assert.deepEqual(Buffer.from(await file.read(4, 5, live)), bytes.subarray(4, 9))
      assert.deepEqual(Buffer.from(await file.read(18, 100, live)), bytes.subarray(18))
      assert.equal((await file.read(1_000, 10, live)).length, 0)
    })

    it('finds a part again with what it had and where it came from', async (t) => {
      const { files } = await open(t)
      {
        await using part = await files.openPart(name, live)
        await part.restart(origin, live)
        await part.append(bytes.subarray(0, 7), live)
      }
      await using part = await files.openPart(name, live)
      assert.equal(part.sizeBytes, 7)
      assert.deepEqual(part.origin, origin)
      await part.append(bytes.subarray(7), live)
      assert.equal(part.digest(), sha256)
    })

    it('drops the bytes of a part that begins anew', async (t) => {
      const { files } = await open(t)
      await using part = await files.openPart(name, live)
      await part.restart(origin, live)
      await part.append(Buffer.from('something else, and longer than before'), live)
      await part.restart({ ...origin, validator: undefined }, live)
      assert.equal(part.sizeBytes, 0)
      assert.equal(part.origin?.validator, undefined)
      await part.append(bytes, live)
      assert.equal(part.digest(), sha256)
      await part.commit(live)
      assert.equal((await files.stat(name, live))?.sizeBytes, bytes.length)
    })

    it('forgets a discarded part', async (t) => {
      const { files } = await open(t)
      {
        await using part = await files.openPart(name, live)
        await part.restart(origin, live)
        await part.append(bytes, live)
        await part.discard()
      }
      await using part = await files.openPart(name, live)
      assert.equal(part.sizeBytes, 0)
      assert.equal(part.origin, undefined)
    })

    it('lets one part of a name be open at a time', async (t) => {
      const { files } = await open(t)
      {
        await using part = await files.openPart(name, live)
        await assert.rejects(files.openPart(name, live), { code: 'conflict' })
        await assert.rejects(files.remove(name, live), { code: 'conflict' })
        await part.restart(origin, live)
      }
      await using again = await files.openPart(name, live)
      assert.equal(again.sizeBytes, 0)
    })

    it('never replaces a file by a part', async (t) => {
      const { files, put } = await open(t)
      await using part = await files.openPart(name, live)
      await part.restart(origin, live)
      await part.append(bytes, live)
      await put(name, Buffer.from('meanwhile'))
      await assert.rejects(part.commit(live), { code: 'conflict' })
      assert.equal((await files.stat(name, live))?.sizeBytes, 9)
    })

    it('records the digest and the origin of a committed file', async (t) => {
      const { files } = await open(t)
      await commit(files)
      assert.deepEqual(await files.recordedDigest(name, live), { sha256, origin })
      assert.equal(await files.digest(name, live), sha256)
    })

    it('computes a digest once and forgets it when the file changes', async (t) => {
      const { files, readOnly, put } = await open(t)
      await put(name, bytes)
      assert.equal(await files.recordedDigest(name, live), undefined)
      assert.equal(await readOnly.digest(name, live), sha256)
      assert.equal(await files.recordedDigest(name, live), undefined)
      assert.equal(await files.digest(name, live), sha256)
      assert.equal((await files.recordedDigest(name, live))?.sha256, sha256)
      await put(name, Buffer.from('the bytes of a modem'))
      assert.equal(await files.recordedDigest(name, live), undefined)
      assert.notEqual(await files.digest(name, live), sha256)
    })

    it('removes a file with all that belongs to it', async (t) => {
      const { files } = await open(t)
      await commit(files)
      assert.equal(await files.remove(name, live), true)
      assert.equal(await files.stat(name, live), undefined)
      assert.equal(await files.recordedDigest(name, live), undefined)
      assert.equal(await files.remove(name, live), false)
    })

    it('changes nothing in a folder that may only be read', async (t) => {
      const { readOnly, put } = await open(t)
      await put(name, bytes)
      assert.equal(readOnly.readOnly, true)
      assert.equal((await readOnly.list(live)).files.length, 1)
      await assert.rejects(readOnly.openPart(name, live), { code: 'conflict' })
      await assert.rejects(readOnly.remove(name, live), { code: 'conflict' })
      assert.equal((await readOnly.list(live)).files.length, 1)
    })

    it('refuses every name that might lead elsewhere', async (t) => {
      const { files } = await open(t)
      const refused = { code: 'invalid_request' }
      for (const text of BAD_NAMES) {
        const bad = text as ModelFileName
        await assert.rejects(files.stat(bad, live), refused, text)
        await assert.rejects(files.open(bad, live), refused, text)
        await assert.rejects(files.remove(bad, live), refused, text)
        await assert.rejects(files.openPart(bad, live), refused, text)
        await assert.rejects(files.digest(bad, live), refused, text)
        await assert.rejects(files.recordedDigest(bad, live), refused, text)
        assert.throws(() => files.pathOf(bad), refused, text)
      }
    })

    it('stops when the signal has aborted', async (t) => {
      const { files, put } = await open(t)
      await put(name, bytes)
      const gone = { signal: AbortSignal.abort(new Error('gone')) }
      await assert.rejects(files.list(gone), /gone/)
      await assert.rejects(files.open(name, gone), /gone/)
      await assert.rejects(files.digest(name, gone), /gone/)
      await assert.rejects(files.openPart('b.gguf' as ModelFileName, gone), /gone/)
    })
  })
}
