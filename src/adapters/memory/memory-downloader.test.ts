/** Tests of the downloads from memory. */
import { downloaderContract } from '../../../test/contracts/downloader.contract.ts'
import { MemoryDownloader } from './memory-downloader.ts'

downloaderContract('MemoryDownloader', async (_t, bytes) => {
  const downloader = new MemoryDownloader()
  const address = 'memory:a'
  downloader.sources.set(address, { bytes, validator: '"1"' })
  return {
    downloader,
    address,
    missing: 'memory:b',
    change: async (other) => void downloader.sources.set(address, { bytes: other, validator: '"2"' }),
  }
})
