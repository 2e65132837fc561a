/** A program that stores API keys one after another, says so after each, and never ends: it is there to be killed. */
import { MemoryClock } from '../../src/adapters/memory/memory-clock.ts'
import { openState } from '../../src/adapters/sql/open-state.ts'
import { SqlKeyStore } from '../../src/adapters/sql/sql-key-store.ts'
import { sampleKey } from '../contracts/key-store.contract.ts'
import { RecordingLogger } from './recording-logger.ts'

const state = await openState({ path: process.argv[2] ?? '', log: new RecordingLogger(), clock: new MemoryClock() })
const store = new SqlKeyStore(state)
for (let number = 0; ; number++) {
  const key = sampleKey(`k${number}`)
  await store.insert(key)
  process.stdout.write(`${key.hash}\n`)
}
