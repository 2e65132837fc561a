/** What the admin API does with models: the union of what runtimes offer, what the models folder holds and what was here before. */
import { HeddleError } from '../core/errors.ts'
import type { Candidate } from '../core/routing/candidate.ts'
import { nearNames } from '../core/routing/near-names.ts'
import type { ModelView, PullProgress, PullRequest } from '../core/wire/admin-models.ts'
import type { Cancellable, ModelAdmin } from '../http/admin/deps.ts'
import type { LibraryModel, ModelLibrary } from '../models/library.ts'
import type { ModelPuller } from '../models/pull.ts'
import type { Directory } from '../ports/directory.ts'
import type { RuntimeStore } from '../ports/runtime-store.ts'

export interface ModelAdminDeps {
  readonly directory: Directory
  readonly library: ModelLibrary
  readonly puller: ModelPuller
  readonly store: Pick<RuntimeStore, 'seenModels'>
  /** Makes the files in the models folder known to the engine. */
  readonly offerLibrary: () => void
}

export function modelAdminOf(deps: ModelAdminDeps): ModelAdmin {
  const list = async (): Promise<readonly ModelView[]> => {
    const seen = new Map((await deps.store.seenModels()).map((model) => [model.id, model.lastSeenAt]))
    const byModel = Map.groupBy(deps.directory.all(), ({ offer }) => offer.id)
    const ids = new Set([...byModel.keys(), ...seen.keys()])
    return [...ids].sort().map((id) => viewOf(id, byModel.get(id) ?? [], deps.library.find(id), seen.get(id)))
  }
  return {
    list,
    async show(id) {
      const models = await list()
      const model = models.find((entry) => entry.id === id)
      if (model !== undefined) return model
      throw missing(
        id,
        models.map((entry) => entry.id),
      )
    },
    pull: (request, options) => pull(deps, request, options),
    async remove(id, { signal }) {
      if (deps.library.find(id) === undefined) {
        const candidates = deps.directory.candidatesFor(id)
        if (candidates.length === 0)
          throw missing(
            id,
            deps.library.list().map((model) => model.id),
          )
        throw new HeddleError('conflict', `"${id}" belongs to the runtime ${candidates[0]?.runtime}; remove it there`)
      }
      await deps.library.remove(id, { signal })
      deps.offerLibrary()
    },
  }
}

async function* pull(
  deps: ModelAdminDeps,
  request: PullRequest,
  { signal }: Cancellable,
): AsyncGenerator<PullProgress> {
  const { ref, ...wish } = request
  for await (const { id, digest, total, completed, status } of deps.puller.pull(ref, { ...wish, signal })) {
    const facts = {
      ...(digest === undefined ? {} : { digest }),
      ...(total === undefined ? {} : { total }),
      ...(completed === undefined ? {} : { completed }),
    }
    if (status !== 'done') {
      yield { status, ...facts }
      continue
    }
    await deps.library.rescan({ signal })
    deps.offerLibrary()
    yield { status, model: id, ...facts }
  }
}

function missing(id: string, known: readonly string[]): HeddleError {
  const near = nearNames(id, known)
  const hint = near.length === 0 ? '' : `; did you mean ${near.map((name) => `"${name}"`).join(', ')}?`
  return new HeddleError('model_not_found', `there is no model "${id}"${hint}`, {
    metadata: { near },
    fix: 'heddle models ls',
  })
}

function viewOf(
  id: string,
  candidates: readonly Candidate[],
  file: LibraryModel | undefined,
  seenAt: number | undefined,
): ModelView {
  const best = candidates.find(({ state }) => state === 'ready') ?? candidates[0]
  const offer = best?.offer
  return {
    id,
    ownedBy: offer?.ownedBy ?? '',
    createdAt:
      offer === undefined || offer.createdSeconds === 0 ? null : new Date(offer.createdSeconds * 1000).toISOString(),
    state: best?.state ?? 'offline',
    endpoints: [...(offer?.endpoints ?? [])],
    contextTokens: offer?.contextTokens ?? null,
    architecture: offer?.architecture ?? null,
    quantisation: offer?.quantisation ?? null,
    parameters: offer?.parameters ?? null,
    sizeBytes: offer?.sizeBytes ?? null,
    digest: offer?.digest ?? file?.digest ?? null,
    vision: offer?.vision ?? false,
    providers: candidates.map(({ node, nodeName, runtime, connector, state, reason, inFlight, capacity }) => ({
      node,
      nodeName,
      runtime,
      connector,
      state,
      reason,
      inFlight,
      capacity,
    })),
    file: file === undefined || file.origin === 'embedded' ? null : file.fileName,
    lastSeenAt: seenAt === undefined ? null : new Date(seenAt).toISOString(),
  }
}
