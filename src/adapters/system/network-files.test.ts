/** Network files: the contract, who may read them, and what damage does. */
import assert from 'node:assert/strict'
import { chmod, readdir, rename, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { networkNamed, networkStoreContract } from '../../../test/contracts/network-store.contract.ts'
import { temporaryFolder } from '../../../test/support/tmp.ts'
import { NetworkFiles } from './network-files.ts'

networkStoreContract('NetworkFiles', async (t) => {
  const folder = join(await temporaryFolder(t), 'networks')
  return () => new NetworkFiles(folder)
})

describe('NetworkFiles', () => {
  const attic = networkNamed('attic')

  it('makes files that only their owner can read, and reads no others', async (t) => {
    const folder = join(await temporaryFolder(t), 'networks')
    const store = new NetworkFiles(folder)
    await store.write(attic)
    await store.activate(attic.id)
    const names = await readdir(folder)
    assert.deepEqual(names.sort(), [`${attic.id}.network`, 'active'].sort())
    for (const name of names) assert.equal((await stat(join(folder, name))).mode & 0o777, 0o600, name)
    assert.equal((await stat(folder)).mode & 0o777, 0o700)
    await chmod(join(folder, `${attic.id}.network`), 0o640)
    await assert.rejects(store.list(), { code: 'insecure_file_mode' })
  })

  it('says which file is damaged', async (t) => {
    const folder = await temporaryFolder(t)
    const store = new NetworkFiles(folder)
    await store.write(attic)
    const path = join(folder, `${attic.id}.network`)
    for (const text of ['', 'heddle-join-1.AAAA', 'hello']) {
      await writeFile(path, text, { mode: 0o600 })
      await assert.rejects(store.list(), (error: Error & { code: string }) => {
        assert.equal(error.code, 'state_corrupt')
        return error.message.includes(path)
      })
    }
    await writeFile(join(folder, 'active'), 'attic', { mode: 0o600 })
    await assert.rejects(store.active(), { code: 'state_corrupt' })
  })

  it('does not take one network for another', async (t) => {
    const folder = await temporaryFolder(t)
    const store = new NetworkFiles(folder)
    await store.write(attic)
    const other = networkNamed('barn').id
    await rename(join(folder, `${attic.id}.network`), join(folder, `${other}.network`))
    await assert.rejects(store.read(other), { code: 'state_corrupt' })
  })
})
