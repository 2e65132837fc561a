/** What is known of one request while it runs; the request log, the metrics and the trace are made from it. */
import type { HeddleError } from '../core/errors.ts'
import type { MonotonicMs } from '../core/ids.ts'
import type { InferenceRequest } from '../core/openai/inference-request.ts'
import type { Usage } from '../core/openai/usage.ts'
import type { Candidate } from '../core/routing/candidate.ts'
import type { RoutePlan } from '../core/routing/plan-route.ts'
import type { Admitted } from '../ports/admission.ts'
import type { AttemptRecord } from '../ports/request-log.ts'
import type { Inbound } from './inbound.ts'

export class RequestStory {
  readonly inbound: Inbound
  admitted: Admitted | undefined
  request: InferenceRequest | undefined
  plan: RoutePlan | undefined
  readonly attempts: AttemptRecord[] = []
  /** The candidate whose answer the client gets. */
  servedBy: Candidate | undefined
  /** When the first byte of the answer went to the client. */
  firstByteAt: MonotonicMs | undefined
  /** Milliseconds spent waiting for providers, the rest being ours. */
  providerMs = 0
  usage: Usage | undefined
  finishReason: string | undefined
  /** The status sent. */
  status = 0
  failure: HeddleError | undefined

  constructor(inbound: Inbound) {
    this.inbound = inbound
  }
}
