/** What a node and its engine process tell each other over their private channel; prompts and answers never travel here. */

export type EngineGpu = 'cpu' | 'auto' | 'cuda' | 'vulkan' | 'metal'

/** One GGUF file to offer. */
export interface EngineModel {
  readonly id: string
  readonly path: string
  /** The context of each request, in tokens; chosen from the file where absent. */
  readonly contextTokens?: number | undefined
}

export interface EngineConfig {
  /** Unix socket or named pipe to serve HTTP on. */
  readonly socketPath: string
  readonly models: readonly EngineModel[]
  readonly gpu: EngineGpu
  /** CPU threads; 0 means half of the logical processors. */
  readonly threads: number
  /** Requests of one model that are worked on at once. */
  readonly sequences: number
  /** Models held in memory at once. */
  readonly loadedModels: number
  /** The package to import; something else only in tests. */
  readonly engine: string
}

/** A model that is in memory. */
export interface LoadedFacts {
  readonly id: string
  readonly contextTokens: number
}

export type ToEngine =
  | { readonly type: 'configure'; readonly config: EngineConfig }
  | { readonly type: 'models'; readonly models: readonly EngineModel[] }
  /** The verdict on a file that the engine is about to open; no problem means that it may. */
  | { readonly type: 'checked'; readonly path: string; readonly problem: string | undefined }

export type FromEngine =
  | { readonly type: 'ready'; readonly processor: string }
  /** Asks for the header of this file to be validated before native code sees it. */
  | { readonly type: 'check'; readonly path: string }
  | { readonly type: 'loaded'; readonly models: readonly LoadedFacts[] }
  | { readonly type: 'load-failed'; readonly id: string; readonly reason: string }
  /** The engine cannot run on this machine as it is configured; trying again changes nothing. */
  | { readonly type: 'unusable'; readonly reason: string; readonly fix: string }
