/** Secret files are their owner's alone, from the first byte on. */
import assert from 'node:assert/strict'
import { chmod, mkdir, readdir, readFile, stat, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { temporaryFolder } from '../../../test/support/tmp.ts'
import { readSecretFile, writeSecretFile } from './secret-file.ts'

const SECRET = 'sk-heddle-abc'

async function modeOf(path: string): Promise<string> {
  return ((await stat(path)).mode & 0o777).toString(8)
}

describe('writeSecretFile', () => {
  it('writes a file that only its owner can read, in a folder of the same kind, and leaves nothing else', async (t) => {
    const folder = join(await temporaryFolder(t), 'new', 'keys')
    const path = join(folder, 'first-key')
    await writeSecretFile(path, SECRET)
    assert.equal(await readFile(path, 'utf8'), `${SECRET}\n`)
    assert.equal(await modeOf(path), '600')
    assert.equal(await modeOf(folder), '700')
    assert.deepEqual(await readdir(folder), ['first-key'])
  })

  it('replaces a file and its too wide mode', async (t) => {
    const path = join(await temporaryFolder(t), 'key')
    await writeFile(path, 'old', { mode: 0o644 })
    await writeSecretFile(path, SECRET)
    assert.equal(await modeOf(path), '600')
    assert.equal(await readSecretFile(path), SECRET)
  })

  it('leaves the old file whole and no part file where it cannot write', async (t) => {
    const folder = await temporaryFolder(t)
    const path = join(folder, 'key')
    await mkdir(path)
    await assert.rejects(writeSecretFile(path, SECRET))
    assert.deepEqual(await readdir(folder), ['key'])
  })
})

describe('readSecretFile', () => {
  it('gives nothing where no file is', async (t) => {
    assert.equal(await readSecretFile(join(await temporaryFolder(t), 'none')), undefined)
  })

  for (const mode of [0o640, 0o604, 0o660, 0o610]) {
    it(`refuses mode ${mode.toString(8)} and says how to mend it`, async (t) => {
      const path = join(await temporaryFolder(t), 'key')
      await writeFile(path, SECRET)
      await chmod(path, mode)
      await assert.rejects(readSecretFile(path), (error: Error & { code: string; details: { fix: string } }) => {
        assert.equal(error.code, 'insecure_file_mode')
        assert.equal(error.details.fix, `chmod 600 '${path}'`)
        assert(!error.message.includes(SECRET))
        return true
      })
      await chmod(path, 0o600)
      assert.equal(await readSecretFile(path), SECRET)
    })
  }

  it('judges the file behind a link, not the link', async (t) => {
    const folder = await temporaryFolder(t)
    await writeFile(join(folder, 'wide'), SECRET, { mode: 0o644 })
    await symlink(join(folder, 'wide'), join(folder, 'link'))
    await assert.rejects(readSecretFile(join(folder, 'link')), { code: 'insecure_file_mode' })
  })

  it('refuses a file too large to be a secret', async (t) => {
    const path = join(await temporaryFolder(t), 'key')
    await writeFile(path, 'x'.repeat(70_000), { mode: 0o600 })
    await assert.rejects(readSecretFile(path), { code: 'config_invalid' })
  })
})
