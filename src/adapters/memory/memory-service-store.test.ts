/** The memory store of services keeps the promises of its port. */
import { serviceStoreContract } from '../../../test/contracts/service-store.contract.ts'
import { MemoryServiceStore } from './memory-service-store.ts'

serviceStoreContract('MemoryServiceStore', async () => new MemoryServiceStore())
