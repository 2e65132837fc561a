/** The runtimes that an operator added, at rest, and the models seen on them. */
import type { RuntimeId, UnixMs } from '../core/ids.ts'

export interface StoredRuntime {
  readonly id: RuntimeId
  /** As in `HEDDLE_RUNTIMES`: `ollama:<url>`, `openai:<url>`, … */
  readonly spec: string
  /** A file that holds the upstream's API key; the key itself is never stored. */
  readonly keyFile: string | undefined
  readonly addedAt: UnixMs
}

/** A model once seen on this node, so that "known but not online" can be told from "unknown". */
export interface SeenModel {
  readonly id: string
  readonly runtime: string
  readonly lastSeenAt: UnixMs
}

export interface RuntimeStore {
  put(runtime: StoredRuntime): Promise<void>
  remove(id: RuntimeId): Promise<boolean>
  list(): Promise<readonly StoredRuntime[]>
  /** Notes that these models are offered now. */
  sawModels(models: readonly SeenModel[]): Promise<void>
  seenModels(): Promise<readonly SeenModel[]>
}
