/** Which nodes run which services, as this node knows it now. */
import type { ServiceCandidate } from '../core/routing/service-candidate.ts'

export interface ServiceDirectory {
  /** Every instance of the service, ready or not, in a stable order. */
  instancesOf(service: string): readonly ServiceCandidate[]
  /** Every instance of every service. */
  allInstances(): readonly ServiceCandidate[]
}
