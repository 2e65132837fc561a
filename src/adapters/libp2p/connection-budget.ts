/** What connections can make this process hold at most, worked out before the first of them. */
import { HeddleError } from '../../core/errors.ts'
import { limit } from '../../core/limits.ts'

export interface ConnectionBudget {
  /** The most that one connection holds. */
  readonly perConnectionBytes: number
  readonly worstCaseBytes: number
  /** Half of the memory: the rest is for requests, models and the registry. */
  readonly allowedBytes: number
  /** The largest `mesh.max_connections` that fits. */
  readonly maxConnections: number
}

export interface BudgetConfig {
  readonly maxConnections: number
  readonly relayServer: boolean
  /** Memory that this process may use. */
  readonly memoryLimitBytes: number
}

/**
 * Per connection: a frame that has not wholly arrived + bytes that nobody has read yet (`StreamGuard` keeps both)
 * + gossip that the peer does not take + sockets and keys. A relay adds what waits in its circuits, both ways.
 */
export function connectionBudget({ maxConnections, relayServer, memoryLimitBytes }: BudgetConfig): ConnectionBudget {
  const perConnectionBytes =
    limit('streamWindowBytes') +
    limit('connectionUnreadBytes') +
    limit('gossipUnsentBytes') +
    limit('connectionStateBytes')
  const relayBytes = relayServer ? 2 * limit('relayCircuits') * limit('relayBacklogBytes') : 0
  const allowedBytes = Math.floor(memoryLimitBytes / 2)
  return {
    perConnectionBytes,
    worstCaseBytes: maxConnections * perConnectionBytes + relayBytes,
    allowedBytes,
    maxConnections: Math.max(0, Math.floor((allowedBytes - relayBytes) / perConnectionBytes)),
  }
}

/** @throws HeddleError `config_invalid` where the worst case is above half of the memory */
export function checkConnectionBudget(config: BudgetConfig): ConnectionBudget {
  const budget = connectionBudget(config)
  if (budget.worstCaseBytes <= budget.allowedBytes) return budget
  const message =
    `mesh.max_connections: ${config.maxConnections} connections may hold ${mebibytes(budget.worstCaseBytes)}, ` +
    `which is more than half of the ${mebibytes(config.memoryLimitBytes)} that this process may use`
  throw new HeddleError('config_invalid', message, { param: 'mesh.max_connections', fix: fixOf(config, budget) })
}

/** 0 connections would mean as many as fit. */
function fixOf({ relayServer }: BudgetConfig, { maxConnections }: ConnectionBudget): string {
  if (maxConnections > 0) return `start it with --mesh-max-connections ${maxConnections}`
  return relayServer ? 'start it with --mesh-relay off' : 'give it more memory, or start it with --mode standalone'
}

function mebibytes(bytes: number): string {
  return `${Math.round(bytes / 1024 / 1024)} MiB`
}
