/** Snapshots in files keep the contract, and leave nothing else behind. */
import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { snapshotStoreContract } from '../../../test/contracts/snapshot-store.contract.ts'
import { temporaryFolder } from '../../../test/support/tmp.ts'
import { limit } from '../../core/limits.ts'
import { FileSnapshotStore } from './file-snapshot-store.ts'

const root = mkdtempSync(join(tmpdir(), 'heddle-snapshots-'))
after(() => rmSync(root, { recursive: true, force: true }))

let folders = 0
snapshotStoreContract('FileSnapshotStore', () => {
  folders += 1
  const path = join(root, `${folders}`, 'network.snapshot')
  return { store: new FileSnapshotStore(path), reopen: () => new FileSnapshotStore(path) }
})

describe('FileSnapshotStore', () => {
  it('makes its folder, keeps the file to its owner and leaves no temporary file', async (t) => {
    const folder = join(await temporaryFolder(t), 'state')
    const store = new FileSnapshotStore(join(folder, 'network.snapshot'))
    await store.save(Uint8Array.of(1), t)
    await assert.rejects(store.save(new Uint8Array(1_000), { signal: AbortSignal.abort(new Error('stopped')) }))
    assert.deepEqual(readdirSync(folder), ['network.snapshot'])
    assert.equal(statSync(join(folder, 'network.snapshot')).mode & 0o777, 0o600)
  })

  it('takes a file that is too large, or no file, for nothing', async (t) => {
    const folder = await temporaryFolder(t)
    const path = join(folder, 'network.snapshot')
    writeFileSync(path, '')
    truncateSync(path, limit('registryFileBytes') + 1)
    assert.equal(await new FileSnapshotStore(path).load(t), undefined)
    assert.equal(await new FileSnapshotStore(folder).load(t), undefined)
  })
})
