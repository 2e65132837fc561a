/** Which models there are: who serves them now, which were here before, and what a mistyped name probably meant. */
import { HeddleError } from '../core/errors.ts'
import type { Candidate } from '../core/routing/candidate.ts'
import { nearNames } from '../core/routing/near-names.ts'
import type { Directory } from '../ports/directory.ts'

const NOT_SERVED_RETRY_MS = 10_000

/** One model of the list that clients see. */
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
  #models: readonly CatalogueModel[] = []
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

  /** The models that are offered by a runtime that is ready, by id. */
  models(): readonly CatalogueModel[] {
    const version = this.#deps.directory.version()
    if (version !== this.#version) {
      this.#models = group(this.#deps.directory.all())
      this.#version = version
    }
    return this.#models
  }

  /** One model of `models()`; throws as `candidatesFor` does. */
  model(id: string): CatalogueModel {
    const model = this.models().find((entry) => entry.id === id)
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

function group(candidates: readonly Candidate[]): readonly CatalogueModel[] {
  const byModel = Map.groupBy(
    candidates.filter(({ state }) => state === 'ready'),
    ({ offer }) => offer.id,
  )
  return [...byModel]
    .map(([id, offers]) => ({
      id,
      createdSeconds: Math.max(...offers.map(({ offer }) => offer.createdSeconds)),
      ownedBy: offers[0]?.offer.ownedBy ?? '',
      candidates: offers,
    }))
    .sort((a, b) => (a.id < b.id ? -1 : 1))
}
