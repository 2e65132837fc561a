/** What may serve a request for a service: one instance of it on one node. `llm` is a service like any other here. */
import type { RouteTarget, RuntimeState } from './candidate.ts'
import type { PromptTrust } from './prompt-trust.ts'

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
  /** The narrowest scope of prompts that its node may read. */
  readonly trust: PromptTrust
  /** To the node and back, as last measured; undefined where it was not. */
  readonly rttMs?: number | undefined
}
