/** Which nodes run which services, as this node knows it now. */
import type { NodeId } from '../core/ids.ts'
import type { ServiceCandidate } from '../core/routing/service-candidate.ts'

/** Every implementation promises that what it returns is current, ready or not, in a stable order. */
export interface ServiceDirectory {
  /** Every instance of the service. */
  instancesOf(service: string): readonly ServiceCandidate[]
  /** Those of them that are of exactly this group; looks at nobody else, however many there are. */
  instancesInGroup(service: string, group: string): readonly ServiceCandidate[]
  /** Every instance of every service of one node. */
  instancesAt(node: NodeId): readonly ServiceCandidate[]
  /** Every instance of every service. */
  allInstances(): readonly ServiceCandidate[]
}
