/** The SQL stores keep the promises of their ports on a real SQLite file. */
import type { TestContext } from 'node:test'
import { keyStoreContract } from '../../../test/contracts/key-store.contract.ts'
import { requestLogContract } from '../../../test/contracts/request-log.contract.ts'
import { runtimeStoreContract } from '../../../test/contracts/runtime-store.contract.ts'
import { serviceStoreContract } from '../../../test/contracts/service-store.contract.ts'
import { openTestLog, openTestState } from '../../../test/support/state.ts'
import { SqlKeyStore } from './sql-key-store.ts'
import { SqlRuntimeStore } from './sql-runtime-store.ts'
import { SqlServiceStore } from './sql-service-store.ts'

keyStoreContract('SqlKeyStore', async (t: TestContext) => new SqlKeyStore(await openTestState(t)))
runtimeStoreContract('SqlRuntimeStore', async (t: TestContext) => new SqlRuntimeStore(await openTestState(t)))
serviceStoreContract('SqlServiceStore', async (t: TestContext) => new SqlServiceStore(await openTestState(t)))
requestLogContract('SqlRequestLog', async (t: TestContext) => (await openTestLog(t)).requestLog)
