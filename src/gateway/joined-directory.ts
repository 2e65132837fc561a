/** Several directories as one: what this node serves itself, and what it knows of the others. */
import type { Candidate } from '../core/routing/candidate.ts'
import type { Directory } from '../ports/directory.ts'

const NOBODY: readonly Candidate[] = []

export class JoinedDirectory implements Directory {
  readonly #directories: Directory[]
  /** The union as it was made for `#madeFor`; loads are read from the candidates when asked. */
  #all: readonly Candidate[] = NOBODY
  #madeFor = -1
  #added = 0

  /** Candidates come in the order of the directories. */
  constructor(directories: readonly Directory[]) {
    this.#directories = [...directories]
  }

  /** Its candidates come after those of the others. */
  add(directory: Directory): void {
    this.#directories.push(directory)
    this.#added += 1
  }

  /** Each number only grows, so equal sums mean that none changed. */
  version(): number {
    let sum = this.#added
    for (const directory of this.#directories) sum += directory.version()
    return sum
  }

  /** Asks each directory for this model alone: nobody else is looked at, however many there are. */
  candidatesFor(model: string): readonly Candidate[] {
    let found = NOBODY
    for (const directory of this.#directories) {
      const candidates = directory.candidatesFor(model)
      if (candidates.length > 0) found = found.length === 0 ? candidates : [...found, ...candidates]
    }
    return found
  }

  all(): readonly Candidate[] {
    const version = this.version()
    if (version !== this.#madeFor) {
      this.#all = this.#directories.flatMap((directory) => directory.all())
      this.#madeFor = version
    }
    return this.#all
  }
}
