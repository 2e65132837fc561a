/** A service directory that is a list, for tests of those who ask one. */
import type { NodeId } from '../../src/core/ids.ts'
import type { ServiceCandidate } from '../../src/core/routing/service-candidate.ts'
import type { ServiceDirectory } from '../../src/ports/service-directory.ts'

export class ListServiceDirectory implements ServiceDirectory {
  readonly #all: readonly ServiceCandidate[]

  constructor(all: readonly ServiceCandidate[]) {
    this.#all = all
  }

  instancesOf(name: string): readonly ServiceCandidate[] {
    return this.#all.filter(({ service }) => service === name)
  }

  instancesInGroup(service: string, group: string): readonly ServiceCandidate[] {
    return this.instancesOf(service).filter(({ groups }) => groups.includes(group))
  }

  instancesAt(node: NodeId): readonly ServiceCandidate[] {
    return this.#all.filter((instance) => instance.node === node)
  }

  allInstances(): readonly ServiceCandidate[] {
    return this.#all
  }
}
