/** Tests of the model files in memory. */
import { modelFilesContract } from '../../../test/contracts/model-files.contract.ts'
import { MemoryModelFiles } from './memory-model-files.ts'

modelFilesContract('MemoryModelFiles', async () => {
  const files = new MemoryModelFiles()
  return {
    files,
    readOnly: files.asReadOnly(),
    put: async (name, bytes) => void files.put(name, bytes),
  }
})
