/** `GET /v1/models` and `/v1/models/{id}`: OpenAI's fields as they are, and who serves the model under `heddle`. */
import { z } from 'zod'
import { ConnectorView, RuntimeStateView } from './admin.ts'

/** One runtime of one node that offers the model. */
export const OpenAiProvider = z.object({
  /** The node's id. */
  node: z.string(),
  node_name: z.string(),
  runtime: z.string(),
  connector: ConnectorView,
  /** Whether the node belongs to the account of the one that answers. */
  account: z.enum(['self', 'other']),
  region: z.string().nullable(),
  state: RuntimeStateView,
  in_flight: z.int().nonnegative(),
  capacity: z.int().nonnegative(),
  /** Milliseconds to the node and back; null where nothing was measured. */
  rtt_ms: z.number().nonnegative().nullable(),
  /** Tokens. */
  context_length: z.int().nullable(),
  quantisation: z.string().nullable(),
  parameters: z.number().nullable(),
  size_bytes: z.int().nullable(),
  /** SHA-256 of the weights, lower-case hex. */
  digest: z.string().nullable(),
})
export type OpenAiProvider = z.infer<typeof OpenAiProvider>

export const OpenAiModel = z
  .object({
    id: z.string(),
    object: z.literal('model'),
    /** Seconds since 1970. */
    created: z.int(),
    owned_by: z.string(),
    /** Tokens; the largest that a node offers. */
    context_length: z.int().optional(),
    heddle: z.object({
      /** Best first; `provider_count` says how many there are where they are more than an answer names. */
      providers: z.array(OpenAiProvider),
      provider_count: z.int().positive(),
    }),
  })
  .meta({ id: 'OpenAiModel' })
export type OpenAiModel = z.infer<typeof OpenAiModel>

export const OpenAiModelList = z
  .object({ object: z.literal('list'), data: z.array(OpenAiModel) })
  .meta({ id: 'OpenAiModelList' })
