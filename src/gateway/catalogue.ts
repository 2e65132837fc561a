/** Which models there are: who serves them now, which were here before, and what a mistyped name probably meant. */
import { HeddleError } from '../core/errors.ts'
import type { Candidate } from '../core/routing/candidate.ts'
import { nearNames } from '../core/routing/near-names.ts'
import type { Directory } from '../ports/directory.ts'

const NOT_SERVED_RETRY_MS = 10_000

/** One model of the list that clients see; it has at least one candidate. */
export interface CatalogueModel {
  readonly id: string
  readonly createdSeconds: number
  readonly ownedBy: string
  readonly candidates: readonly Candidate[]
}

export interface CatalogueDeps {
  readonly directory: Directory
  /** Models seen on this node before, whether or not they are offered now. */
  readonly seenModels: () => ReadonlySet<string>
}

export class Catalogue {
  readonly #deps: CatalogueDeps
  /** What was made for `#version`; the longer list is made when somebody asks for it. */
  #models: readonly CatalogueModel[] = []
  #known: readonly CatalogueModel[] | undefined
  #version = -1

  constructor(deps: CatalogueDeps) {
    this.#deps = deps
  }

  /**
   * Everyone who offers this model, ready or not; never empty.
   * @throws HeddleError `no_capacity` for a model that was here before, `model_not_found` for one that never was
   */
  candidatesFor(model: string): readonly Candidate[] {
    const candidates = this.#deps.directory.candidatesFor(model)
    if (candidates.length > 0) return candidates
    throw this.#missing(model)
  }

  /** The models that can be asked for now, by id, each with the candidates that are ready. */
  models(): readonly CatalogueModel[] {
    const version = this.#deps.directory.version()
    if (version !== this.#version) {
      this.#models = group(this.#deps.directory.all().filter(isReady))
      this.#known = undefined
      this.#version = version
    }
    return this.#models
  }

  /** The same with the candidates that are not ready or cannot be reached, and the models that only those offer. */
  known(): readonly CatalogueModel[] {
    this.models()
    this.#known ??= group(this.#deps.directory.all())
    return this.#known
  }

  /** One model of `models()`; throws as `candidatesFor` does. */
  model(id: string): CatalogueModel {
    const [model] = group(this.#deps.directory.candidatesFor(id).filter(isReady))
    if (model === undefined) throw this.#missing(id)
    return model
  }

  #missing(model: string): HeddleError {
    if (this.#deps.directory.candidatesFor(model).length > 0 || this.#deps.seenModels().has(model)) {
      return new HeddleError('no_capacity', `"${model}" is known, but nothing that serves it is online now`, {
        retryAfterMs: NOT_SERVED_RETRY_MS,
        fix: 'heddle status',
      })
    }
    const near = nearNames(
      model,
      this.models().map(({ id }) => id),
    )
    const hint =
      near.length === 0
        ? 'GET /v1/models lists what there is'
        : `did you mean ${near.map((name) => `"${name}"`).join(', ')}?`
    return new HeddleError('model_not_found', `there is no model "${model}"; ${hint}`, {
      param: 'model',
      metadata: { near },
      fix: 'heddle models ls',
    })
  }
}

const isReady = ({ state }: Candidate): boolean => state === 'ready'

function group(candidates: readonly Candidate[]): readonly CatalogueModel[] {
  const byModel = Map.groupBy(candidates, ({ offer }) => offer.id)
  return [...byModel]
    .map(([id, offers]) => ({
      id,
      createdSeconds: offers.reduce((latest, { offer }) => Math.max(latest, offer.createdSeconds), 0),
      ownedBy: offers[0]?.offer.ownedBy ?? '',
      candidates: offers,
    }))
    .sort((a, b) => (a.id < b.id ? -1 : 1))
}
