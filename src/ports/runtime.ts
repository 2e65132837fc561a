/** The inference program behind a provider, spoken to with OpenAI-shaped requests. */
import type { RuntimeId } from '../core/ids.ts'
import type { MessageRequest, MessageResponse } from '../core/message.ts'
import type { ModelOffer, RuntimeState } from '../core/routing/candidate.ts'

export type RuntimeKind = 'llama' | 'openai' | 'ollama' | 'script'

/** What a runtime says of itself; a new object whenever something in it changed. */
export interface RuntimeSnapshot {
  readonly state: RuntimeState
  /** Why the state is what it is, in words for people; empty when ready. */
  readonly reason: string
  /** When the state was entered. */
  readonly sinceMs: number
  /** Tries made to reach it since it was last ready. */
  readonly tries: number
  readonly offers: readonly ModelOffer[]
  /** Requests it works on at once. */
  readonly capacity: number
  /** Free facts for `ps` and `status`, e.g. `{ processor: '100% CPU', pid: 4121 }`. */
  readonly facts: Readonly<Record<string, string | number | boolean>>
}

/**
 * Every implementation promises (test/contracts/runtime.contract.ts checks it):
 * - `send` takes `POST /v1/chat/completions`, `/v1/completions` and `/v1/embeddings` with a whole JSON body and answers as OpenAI's API does:
 *   status, JSON or `data:` events; errors are OpenAI error bodies with a status, before the first byte;
 * - a stream ends with `data: [DONE]` only after a `finish_reason`; a break throws `upstream_interrupted` from the body;
 * - `stream_options.include_usage` gives a last chunk with `usage`, and every whole answer carries `usage`;
 * - aborting the signal stops generation within 100 ms and frees the slot;
 * - `send` while not ready rejects with `runtime_unavailable` (or `model_loading`), it does not wait;
 * - the answer depends on the model, not on who asked before.
 */
export interface Runtime extends AsyncDisposable {
  readonly id: RuntimeId
  readonly kind: RuntimeKind
  /** Where it is, for people: a URL or a folder; never a secret. */
  readonly location: string
  snapshot(): RuntimeSnapshot
  /** Requests being worked on now. */
  inFlight(): number
  /** Calls `listener` after each change of the snapshot; the result stops that. */
  onChange(listener: () => void): () => void
  /** Calls `listener` after each change of `inFlight`; the result stops that. */
  onLoad(listener: () => void): () => void
  /** Begins to come up and keeps itself up until disposed; returns at once. */
  start(): void
  send(request: MessageRequest, options: { readonly signal: AbortSignal }): Promise<MessageResponse>
}
