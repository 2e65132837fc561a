/** A process that makes one measurement and sends what it found: each begins with an empty heap and cold caches. Started by the suite. */
import { registryCost } from './registry-cost.ts'
import { simulateNetwork } from './simulated-network.ts'
import { steadyNode } from './steady-node.ts'

export type MeasuringJob =
  | { readonly kind: 'cost'; readonly records: number }
  | { readonly kind: 'steady'; readonly nodes: number }
  | {
      readonly kind: 'network'
      readonly nodes: number
      readonly joins: number
      readonly changes: number
      readonly steadySeconds: number
    }

/** CPU of this thread, so that a busy machine does not blur the costs. */
function cpuMs(): number {
  const { user, system } = process.threadCpuUsage()
  return (user + system) / 1_000
}

async function measure(job: MeasuringJob): Promise<unknown> {
  const { signal } = new AbortController()
  switch (job.kind) {
    case 'cost':
      return registryCost(job.records, cpuMs)
    case 'steady':
      return await steadyNode(job.nodes, signal)
    case 'network':
      return await simulateNetwork(job.nodes, { ...job, signal })
    default:
      return job satisfies never
  }
}

process.once('message', (job: MeasuringJob) => {
  void measure(job).then(
    (found) => process.send?.(found, () => process.exit(0)),
    (error: unknown) => {
      process.stderr.write(`${error instanceof Error ? error.stack : String(error)}\n`)
      process.exit(1)
    },
  )
})
