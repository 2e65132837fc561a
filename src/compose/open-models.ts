/** The models folders, and the engine that serves their files. */
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { DiskModelFiles } from '../adapters/files/disk-model-files.ts'
import { FileDownloader } from '../adapters/files/file-downloader.ts'
import { HttpDownloader } from '../adapters/files/http-downloader.ts'
import { LlamaRuntime } from '../adapters/runtimes/llama/llama-runtime.ts'
import type { RuntimeId } from '../core/ids.ts'
import { limit } from '../core/limits.ts'
import { ModelLibrary } from '../models/library.ts'
import { pickDefault } from '../models/pick-default.ts'
import { ModelPuller } from '../models/pull.ts'
import type { Clock } from '../ports/clock.ts'
import type { Logger } from '../ports/logger.ts'
import type { Config } from './config.ts'
import { validateGgufFile } from './validate-gguf.ts'
import { VERSION } from './version.ts'

export interface Models extends AsyncDisposable {
  readonly library: ModelLibrary
  readonly puller: ModelPuller
  makeLlama(id: RuntimeId): LlamaRuntime
  /** Makes the files that are in the folders now known to the engine. */
  offerLibrary(): void
  /** While true, the demo model is not offered: something better serves this node. */
  setDemoWanted(wanted: boolean): void
}

const EMBEDDED_FOLDER = fileURLToPath(new URL('../../models', import.meta.url))

/** Looks through the folders once; `signal` ends that. */
export async function openModels(
  { clock, log, config }: { readonly clock: Clock; readonly log: Logger; readonly config: Config },
  { signal }: { readonly signal: AbortSignal },
): Promise<Models> {
  const embedded = new DiskModelFiles({ folder: EMBEDDED_FOLDER, readOnly: true })
  const user = new DiskModelFiles({ folder: config.models.dir, readOnly: false })
  const library = new ModelLibrary({ clock, log }, [
    { files: user, origin: 'user' },
    { files: embedded, origin: 'embedded' },
  ])
  await library.rescan({ signal })
  const http = new HttpDownloader({
    connectTimeoutMs: limit('connectTimeoutMs'),
    stallMs: limit('pullStallMs'),
    userAgent: `heddle/${VERSION}`,
  })
  const puller = new ModelPuller(
    { files: user, http, disk: new FileDownloader(), clock, log },
    { reserveBytes: config.models.diskReserveBytes },
  )
  let llama: LlamaRuntime | undefined
  let demoWanted = true
  const offered = () => {
    const { demo } = pickDefault(library.list())
    const models = library.list().filter((model) => demoWanted || model !== demo)
    // The first is loaded at once: the one that a newcomer meets first.
    const { model: first } = pickDefault(models)
    return models
      .toSorted((a, b) => Number(b === first) - Number(a === first))
      .map(({ id, path, digest }) => ({ id, path, digest, contextTokens: config.models.contextTokens }))
  }
  const offerLibrary = (): void => llama?.setModels(offered())
  const stopListening = library.onChange(offerLibrary)
  const watching = library.watch()
  return {
    library,
    puller,
    makeLlama(id) {
      llama ??= new LlamaRuntime(
        { clock, log, validate: validateGgufFile },
        {
          id,
          models: offered(),
          socketFolder: join(config.paths.state, 'engine'),
          gpu: config.models.gpu,
          parallel: config.models.parallel,
          loadedModels: config.models.maxLoaded,
        },
      )
      return llama
    },
    offerLibrary,
    setDemoWanted(wanted) {
      if (wanted === demoWanted) return
      demoWanted = wanted
      offerLibrary()
    },
    async [Symbol.asyncDispose]() {
      stopListening()
      watching[Symbol.dispose]()
      await http[Symbol.asyncDispose]()
    },
  }
}
