/** Tests of the model files on disk: the contract, links, locks of dead processes and bounds. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { link, mkdir, readdir, readFile, stat, symlink, utimes, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { pid, ppid } from 'node:process'
import { describe, it, type TestContext } from 'node:test'
import { modelFilesContract } from '../../../test/contracts/model-files.contract.ts'
import { temporaryFolder } from '../../../test/support/tmp.ts'
import { limit } from '../../core/limits.ts'
import type { ModelFileName } from '../../core/models/model-file-name.ts'
import { DiskModelFiles } from './disk-model-files.ts'

const live = { signal: new AbortController().signal }
const named = (text: string): ModelFileName => text as ModelFileName

async function place(t: TestContext): Promise<{ folder: string; outside: string; files: DiskModelFiles }> {
  const home = await temporaryFolder(t)
  const folder = join(home, 'models')
  const outside = join(home, 'outside')
  await mkdir(folder)
  await mkdir(outside)
  await writeFile(join(outside, 'secret.gguf'), 'secret')
  return { folder, outside, files: new DiskModelFiles({ folder, readOnly: false }) }
}

modelFilesContract('DiskModelFiles', async (t) => {
  const folder = join(await temporaryFolder(t), 'models')
  let seconds = 1_000_000
  return {
    files: new DiskModelFiles({ folder, readOnly: false }),
    readOnly: new DiskModelFiles({ folder, readOnly: true }),
    put: async (name, bytes) => {
      const path = join(folder, name)
      await mkdir(dirname(path), { recursive: true })
      await writeFile(path, bytes)
      seconds += 10
      await utimes(path, seconds, seconds)
    },
  }
})

describe('DiskModelFiles', () => {
  it('follows no link, be it a file, a folder or one on the way', async (t) => {
    const { folder, outside, files } = await place(t)
    await symlink(join(outside, 'secret.gguf'), join(folder, 'link.gguf'))
    await symlink(join(outside, 'gone.gguf'), join(folder, 'dangling.gguf'))
    await symlink(outside, join(folder, 'folder'))
    await symlink('..', join(folder, 'up'))
    const { files: listed, skipped } = await files.list(live)
    assert.deepEqual(listed, [])
    assert.deepEqual(skipped.map(({ name }) => name).toSorted(), ['dangling.gguf', 'folder', 'link.gguf', 'up'])
    for (const name of ['link.gguf', 'dangling.gguf', 'folder/secret.gguf', 'up/outside/secret.gguf']) {
      await assert.rejects(files.open(named(name), live), { code: 'invalid_request' }, name)
      await assert.rejects(files.remove(named(name), live), { code: 'invalid_request' }, name)
    }
    for (const name of ['folder/new.gguf', 'up/new.gguf', 'folder/secret.gguf']) {
      await assert.rejects(files.openPart(named(name), live), { code: 'invalid_request' }, name)
    }
    assert.deepEqual(await readdir(outside), ['secret.gguf'])
    assert.equal(await readFile(join(outside, 'secret.gguf'), 'utf8'), 'secret')
  })

  it('does not write through a link laid where a part would be', async (t) => {
    const { folder, outside, files } = await place(t)
    await symlink(join(outside, 'secret.gguf'), join(folder, 'a.gguf.part'))
    await assert.rejects(files.openPart(named('a.gguf'), live), { code: 'invalid_request' })
    assert.equal(await readFile(join(outside, 'secret.gguf'), 'utf8'), 'secret')
  })

  it('takes a models folder that is a link itself', async (t) => {
    const { folder, outside } = await place(t)
    await symlink(outside, join(folder, 'linked'))
    const files = new DiskModelFiles({ folder: join(folder, 'linked'), readOnly: true })
    assert.deepEqual(
      (await files.list(live)).files.map(({ name }) => name),
      ['secret.gguf'],
    )
  })

  it('does not wait for a named pipe', async (t) => {
    const { folder, files } = await place(t)
    execFileSync('mkfifo', [join(folder, 'pipe.gguf')])
    assert.deepEqual((await files.list(live)).files, [])
    await assert.rejects(files.open(named('pipe.gguf'), live), { code: 'invalid_request' })
  })

  it('skips names that are not safe and says so', async (t) => {
    const { folder, files } = await place(t)
    await writeFile(join(folder, 'a\nb.gguf'), '')
    await writeFile(join(folder, 'fine.gguf'), '')
    await writeFile(join(folder, 'notes.txt'), '')
    const list = await files.list(live)
    assert.deepEqual(
      list.files.map(({ name }) => name),
      ['fine.gguf'],
    )
    assert.equal(list.skipped.length, 1)
  })

  it('looks no deeper and at no more files than the bounds say', async (t) => {
    const { folder, files } = await place(t)
    const deep = Array.from({ length: limit('modelFolderDepth') }, (_, index) => `d${index}`)
    await mkdir(join(folder, ...deep, 'deeper'), { recursive: true })
    await writeFile(join(folder, ...deep, 'in.gguf'), '')
    await writeFile(join(folder, ...deep, 'deeper', 'out.gguf'), '')
    assert.deepEqual(
      (await files.list(live)).files.map(({ name }) => name),
      [[...deep, 'in.gguf'].join('/')],
    )
    await writeFile(join(folder, 'a.gguf'), '')
    for (let index = 0; index < limit('modelFiles'); index += 1)
      await link(join(folder, 'a.gguf'), join(folder, `m${index}.gguf`))
    const list = await files.list(live)
    // The folder beside them counts where the system happens to name it first.
    assert([0, 1].includes(limit('modelFiles') - list.files.length))
    assert.match(list.skipped[0]?.reason ?? '', /only the first/)
  })

  it('is locked against other processes that live, not against dead ones', async (t) => {
    const { folder, files } = await place(t)
    const lock = join(folder, 'a.gguf.part.lock')
    // The process that started this one lives as long as it does.
    await writeFile(lock, String(ppid))
    await assert.rejects(files.openPart(named('a.gguf'), live), { code: 'conflict' })
    for (const dead of [String(2 ** 30), String(pid), 'nonsense', '']) {
      await writeFile(lock, dead)
      await using part = await files.openPart(named('a.gguf'), live)
      assert.equal(part.sizeBytes, 0)
      assert.equal(await readFile(lock, 'utf8'), String(pid))
    }
    await assert.rejects(stat(lock), { code: 'ENOENT' })
  })

  it('leaves nothing but the file and its digest behind', async (t) => {
    const { folder, files } = await place(t)
    {
      await using part = await files.openPart(named('a.gguf'), live)
      await part.restart({ source: 's', validator: undefined, sizeBytes: 1 }, live)
      await part.append(Buffer.of(1), live)
      await part.commit(live)
    }
    assert.deepEqual((await readdir(folder)).toSorted(), ['a.gguf', 'a.gguf.digest.json'])
    await files.remove(named('a.gguf'), live)
    assert.deepEqual(await readdir(folder), [])
  })

  it('takes a broken note for none', async (t) => {
    const { folder, files } = await place(t)
    await writeFile(join(folder, 'a.gguf'), 'x')
    for (const note of [
      '',
      '{',
      'null',
      '[]',
      '{"sha256":"../../x","sizeBytes":1}',
      `{"sha256":"${'a'.repeat(64)}"}`,
      'x'.repeat(99_999),
    ]) {
      await writeFile(join(folder, 'a.gguf.digest.json'), note)
      assert.equal(await files.recordedDigest(named('a.gguf'), live), undefined)
    }
    await writeFile(join(folder, 'b.gguf.part'), 'abc')
    await writeFile(join(folder, 'b.gguf.part.json'), '{"source":1}')
    await using part = await files.openPart(named('b.gguf'), live)
    assert.equal(part.sizeBytes, 3)
    assert.equal(part.origin, undefined)
  })
})
