/** Identities in memory keep the promises of their ports. */
import { identityStoreContract } from '../../../test/contracts/identity-store.contract.ts'
import { statementStoreContract } from '../../../test/contracts/statement-store.contract.ts'
import { MemoryIdentityStore, MemoryStatementStore } from './memory-identity-store.ts'
import { MemoryKeySource } from './memory-signer.ts'

const keys = new MemoryKeySource('identity store')

identityStoreContract('MemoryIdentityStore', keys, async () => {
  const store = new MemoryIdentityStore(keys)
  return () => store
})

statementStoreContract('MemoryStatementStore', async () => {
  const store = new MemoryStatementStore()
  return () => store
})
