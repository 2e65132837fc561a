/** What may serve a request for a service: one instance of it on one node. `llm` is a service like any other here. */
import type { RouteTarget, RuntimeState } from './candidate.ts'

export interface ServiceCandidate extends RouteTarget {
  readonly nodeName: string
  readonly service: string
  /** `key=value`, `key=*` or `all`; those of the models offered included. */
  readonly groups: readonly string[]
  readonly state: RuntimeState
  /** Why it is not ready; empty when it is. */
  readonly reason: string
  readonly inFlight: number
  readonly capacity: number
}
