/** Snapshots in memory keep the contract. */
import { snapshotStoreContract } from '../../../test/contracts/snapshot-store.contract.ts'
import { MemorySnapshotStore } from './memory-snapshot-store.ts'

snapshotStoreContract('MemorySnapshotStore', () => {
  const store = new MemorySnapshotStore()
  return { store, reopen: () => store }
})
