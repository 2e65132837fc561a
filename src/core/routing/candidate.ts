/** What may serve a request: one model offered by one runtime of one node, and the state it is in. */
import type { NodeId, RuntimeId } from '../ids.ts'
import type { PromptTrust } from './prompt-trust.ts'

/** The inference endpoints of the `llm` service. */
export type Endpoint = 'chat' | 'completions' | 'embeddings'

/**
 * Which request parameters a model's runtime honours. `all-but` lists those it does not know;
 * `only` lists all it knows. Parameters that change nothing about the answer (`user`, `metadata`, …)
 * are never asked for, and a parameter at its neutral value (`n: 1`) counts as absent.
 */
export type AcceptedParameters =
  | { readonly mode: 'all-but'; readonly names: readonly string[] }
  | { readonly mode: 'only'; readonly names: readonly string[] }

/** A model as its runtime offers it. Plain data: it travels in node records. */
export interface ModelOffer {
  /** As clients name it, e.g. `qwen3:8b` or `org/name`. */
  readonly id: string
  readonly endpoints: readonly Endpoint[]
  readonly accepts: AcceptedParameters
  /** Seconds since 1970, as OpenAI's model object has it; 0 where unknown. */
  readonly createdSeconds: number
  readonly ownedBy: string
  readonly contextTokens?: number | undefined
  readonly architecture?: string | undefined
  readonly quantisation?: string | undefined
  readonly parameters?: number | undefined
  readonly sizeBytes?: number | undefined
  /** SHA-256 of the weights file, lower-case hex, where it is known. */
  readonly digest?: string | undefined
  /** Whether messages may carry images. */
  readonly vision?: boolean | undefined
}

/** How a runtime is, with words for people. */
export type RuntimeState = 'starting' | 'ready' | 'unhealthy' | 'stopped'

export type ConnectorKind = 'local' | 'direct' | 'mesh' | 'relay'

/** Where a connector takes a request. */
export interface RouteTarget {
  readonly node: NodeId
  readonly connector: ConnectorKind
  /** Of another node: the name that its record gives it. */
  readonly runtime: RuntimeId
}

/** One way to serve one model. */
export interface Candidate extends RouteTarget {
  readonly nodeName: string
  readonly offer: ModelOffer
  readonly state: RuntimeState
  /** Why it is not ready; empty when it is. */
  readonly reason: string
  /** Requests that the runtime is working on now. */
  readonly inFlight: number
  /** Requests that it works on at once; more wait inside it. */
  readonly capacity: number
  /** Where its node says that it is. */
  readonly region?: string | undefined
  /** The narrowest scope of prompts that its node may read. */
  readonly trust: PromptTrust
  /** To the node and back, as last measured; undefined where it was not. */
  readonly rttMs?: number | undefined
}
