/** The budget of connections: what fits, and what is refused before anything listens. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { startTestHost } from '../../../test/support/libp2p-hosts.ts'
import { HeddleError } from '../../core/errors.ts'
import { checkConnectionBudget, connectionBudget } from './connection-budget.ts'

const GIBIBYTE = 1024 ** 3

describe('the connection budget', () => {
  it('takes the default of 128 connections on a machine of 4 GiB', () => {
    const budget = checkConnectionBudget({ maxConnections: 128, relayServer: true, memoryLimitBytes: 4 * GIBIBYTE })
    assert.ok(budget.worstCaseBytes <= 2 * GIBIBYTE)
  })

  it('names the setting and the largest value that fits', () => {
    const config = { maxConnections: 300, relayServer: false, memoryLimitBytes: GIBIBYTE }
    assert.throws(
      () => checkConnectionBudget(config),
      (error: unknown) => {
        assert.ok(error instanceof HeddleError)
        assert.equal(error.code, 'config_invalid')
        assert.match(error.message, /^mesh\.max_connections: 300 connections may hold \d+ MiB, .* half of the 1024 MiB/)
        const fits = Number(/--mesh-max-connections (\d+)/.exec(error.details.fix ?? '')?.[1])
        assert.doesNotThrow(() => checkConnectionBudget({ ...config, maxConnections: fits }))
        assert.throws(() => checkConnectionBudget({ ...config, maxConnections: fits + 1 }))
        return true
      },
    )
  })

  it('counts the circuits of a relay', () => {
    const config = { maxConnections: 10, memoryLimitBytes: GIBIBYTE }
    const relay = connectionBudget({ ...config, relayServer: true })
    assert.ok(relay.worstCaseBytes > connectionBudget({ ...config, relayServer: false }).worstCaseBytes)
  })

  it('is checked before the node listens', async () => {
    const starting = startTestHost({ maxConnections: 10_000 })
    await assert.rejects(starting, { code: 'config_invalid' })
  })
})
