/** The stores in memory keep the promises of their ports. */
import { keyStoreContract } from '../../../test/contracts/key-store.contract.ts'
import { requestLogContract } from '../../../test/contracts/request-log.contract.ts'
import { runtimeStoreContract } from '../../../test/contracts/runtime-store.contract.ts'
import { MemoryKeyStore } from './memory-key-store.ts'
import { MemoryRequestLog } from './memory-request-log.ts'
import { MemoryRuntimeStore } from './memory-runtime-store.ts'

keyStoreContract('MemoryKeyStore', () => Promise.resolve(new MemoryKeyStore()))
runtimeStoreContract('MemoryRuntimeStore', () => Promise.resolve(new MemoryRuntimeStore()))
requestLogContract('MemoryRequestLog', () => Promise.resolve(new MemoryRequestLog()))
