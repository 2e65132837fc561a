/** What the admin API says of a route that it does not take: who would serve a model, in which order, and who not. */
import { z } from 'zod'
import { PROMPT_TRUST } from '../routing/prompt-trust.ts'
import { ConnectorView, RuntimeStateView } from './admin.ts'

export const ExplainQuery = z.object({
  model: z.string().min(1).max(1_024),
  endpoint: z.enum(['chat', 'completions', 'embeddings']).default('chat'),
  promptTrust: z.enum(PROMPT_TRUST).default('network'),
})
export type ExplainQuery = z.infer<typeof ExplainQuery>

const Considered = z.object({
  node: z.string(),
  nodeName: z.string(),
  runtime: z.string(),
  connector: ConnectorView,
  account: z.enum(['self', 'other']),
  state: RuntimeStateView,
  inFlight: z.int().nonnegative(),
  capacity: z.int().nonnegative(),
  rttMs: z.number().nonnegative().nullable(),
})

/** `GET /api/v1/explain`. Nothing is sent to anybody. */
export const Explanation = z
  .object({
    schema: z.literal('heddle.explanation/v1'),
    model: z.string(),
    endpoint: z.enum(['chat', 'completions', 'embeddings']),
    promptTrust: z.enum(PROMPT_TRUST),
    /** Why the first is first, as `x-heddle-route` says it. */
    reason: z.string(),
    /** Best first; `why` compares each with the one after it. */
    candidates: z.array(Considered.extend({ why: z.string() })),
    excluded: z.array(Considered.extend({ why: z.string() })),
    /** What a client would be told where nobody may or can serve; null otherwise. */
    refusal: z.object({ code: z.string(), message: z.string(), fix: z.string().nullable() }).nullable(),
  })
  .meta({ id: 'Explanation' })
export type Explanation = z.infer<typeof Explanation>
