/** Networks in memory keep the contract. */
import { networkStoreContract } from '../../../test/contracts/network-store.contract.ts'
import { scheme } from '../../../test/support/identity.ts'
import { MemoryNetworkStore } from './memory-network-store.ts'

networkStoreContract('MemoryNetworkStore', async () => {
  const store = new MemoryNetworkStore(scheme)
  return () => store
})
