/** Several service directories as one: the services of this node, and those of the others. */
import type { NodeId } from '../core/ids.ts'
import type { ServiceCandidate } from '../core/routing/service-candidate.ts'
import type { ServiceDirectory } from '../ports/service-directory.ts'

export class JoinedServiceDirectory implements ServiceDirectory {
  readonly #directories: ServiceDirectory[]

  /** Instances come in the order of the directories. */
  constructor(directories: readonly ServiceDirectory[]) {
    this.#directories = [...directories]
  }

  /** Its instances come after those of the others. */
  add(directory: ServiceDirectory): void {
    this.#directories.push(directory)
  }

  instancesOf(service: string): readonly ServiceCandidate[] {
    return this.#directories.flatMap((directory) => directory.instancesOf(service))
  }

  instancesInGroup(service: string, group: string): readonly ServiceCandidate[] {
    return this.#directories.flatMap((directory) => directory.instancesInGroup(service, group))
  }

  instancesAt(node: NodeId): readonly ServiceCandidate[] {
    return this.#directories.flatMap((directory) => directory.instancesAt(node))
  }

  allInstances(): readonly ServiceCandidate[] {
    return this.#directories.flatMap((directory) => directory.allInstances())
  }
}
