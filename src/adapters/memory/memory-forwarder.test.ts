/** The memory forwarder keeps the promises of its port. */
import { serviceForwarderContract } from '../../../test/contracts/service-forwarder.contract.ts'
import { MemoryForwarder } from './memory-forwarder.ts'

serviceForwarderContract('MemoryForwarder', async (_t, serve) => {
  const forwarder = new MemoryForwarder(serve)
  return {
    forwarder,
    stop: async () => {
      forwarder.isUp = false
    },
  }
})
