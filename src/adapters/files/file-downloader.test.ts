/** Tests of "downloads" from this machine's disk. */
import assert from 'node:assert/strict'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { pathToFileURL } from 'node:url'
import { downloaderContract } from '../../../test/contracts/downloader.contract.ts'
import { temporaryFolder } from '../../../test/support/tmp.ts'
import { FileDownloader } from './file-downloader.ts'

for (const addressOf of [(path: string) => path, (path: string) => pathToFileURL(path).href]) {
  downloaderContract(`FileDownloader with ${addressOf('/x')}`, async (t, bytes) => {
    const folder = await temporaryFolder(t)
    const path = join(folder, 'a file.gguf')
    await writeFile(path, bytes)
    return {
      downloader: new FileDownloader(),
      address: addressOf(path),
      missing: addressOf(join(folder, 'none.gguf')),
      change: (other) => writeFile(path, other),
    }
  })
}

describe('FileDownloader', () => {
  it('refuses folders and file addresses of other machines', async (t) => {
    const folder = join(await temporaryFolder(t), 'folder.gguf')
    await mkdir(folder)
    const options = { fromByte: 0, validator: undefined, signal: new AbortController().signal }
    for (const address of [folder, 'file://elsewhere/x.gguf', 'file:///a%2fb.gguf']) {
      await assert.rejects(new FileDownloader().open(address, options), { code: 'download_failed' }, address)
    }
  })
})
