/** What the admin API says of API keys and of past requests. */
import { z } from 'zod'
import { DEFAULT_PROMPT_TRUST, PROMPT_TRUST } from '../routing/prompt-trust.ts'
import { Timestamp } from './admin.ts'

export const ScopeView = z.enum(['inference', 'read', 'admin'])

/** Who may read prompts that come with a key: nodes of one's own account, members of one's network, or anybody. */
export const PromptTrustView = z.enum(PROMPT_TRUST)

export const KeyView = z
  .object({
    id: z.string(),
    name: z.string(),
    /** The last four characters of the secret, to tell keys apart. */
    hint: z.string(),
    scopes: z.array(ScopeView),
    /** Model ids or patterns with a trailing `*`; empty means every model. */
    models: z.array(z.string()),
    rpm: z.int().nullable(),
    tpm: z.int().nullable(),
    promptTrust: PromptTrustView,
    createdAt: Timestamp,
    expiresAt: Timestamp.nullable(),
    revokedAt: Timestamp.nullable(),
    state: z.enum(['active', 'expired', 'revoked']),
  })
  .meta({ id: 'Key' })
export type KeyView = z.infer<typeof KeyView>

export const KeyList = z.object({ schema: z.literal('heddle.keys/v1'), keys: z.array(KeyView) }).meta({ id: 'KeyList' })
export type KeyList = z.infer<typeof KeyList>

/** `POST /api/v1/keys`. */
export const CreateKey = z
  .strictObject({
    name: z.string().regex(/^[^\p{Cc}]{1,64}$/u, 'expected 1 to 64 printable characters'),
    scopes: z.array(ScopeView).min(1).max(3).default(['inference']),
    models: z.array(z.string().min(1).max(256)).max(100).default([]),
    rpm: z.int().positive().max(1_000_000).optional(),
    tpm: z.int().positive().max(1_000_000_000).optional(),
    promptTrust: PromptTrustView.default(DEFAULT_PROMPT_TRUST),
    /** From now, e.g. `90m`, `24h`, `7d`; by default the key does not expire. */
    expiresIn: z
      .string()
      .regex(/^[1-9][0-9]{0,5}[smhdw]$/, 'expected a number and s, m, h, d or w, e.g. 7d')
      .optional(),
  })
  .meta({ id: 'CreateKey' })
export type CreateKey = z.infer<typeof CreateKey>
/** What a client may send: fields with a default left out. */
export type CreateKeyInput = z.input<typeof CreateKey>

/** The only answer that ever carries a secret, and only once. */
export const CreatedKey = KeyView.extend({ secret: z.string() }).meta({ id: 'CreatedKey' })
export type CreatedKey = z.infer<typeof CreatedKey>

/** One request as the request log has it; never what was said. */
export const RequestView = z
  .object({
    id: z.string(),
    at: Timestamp,
    endpoint: z.string(),
    model: z.string(),
    keyId: z.string().nullable(),
    stream: z.boolean(),
    status: z.int(),
    /** `ok`, or an error code. */
    outcome: z.string(),
    node: z.string().nullable(),
    runtime: z.string().nullable(),
    candidates: z.int().nonnegative(),
    exclusions: z.array(z.object({ node: z.string(), runtime: z.string(), reason: z.string() })),
    attempts: z.array(
      z.object({
        node: z.string(),
        runtime: z.string(),
        connector: z.string(),
        startedMs: z.number(),
        endedMs: z.number(),
        outcome: z.string(),
      }),
    ),
    inputTokens: z.int().nullable(),
    outputTokens: z.int().nullable(),
    firstByteMs: z.number().nullable(),
    durationMs: z.number(),
    finishReason: z.string().nullable(),
  })
  .meta({ id: 'Request' })
export type RequestView = z.infer<typeof RequestView>

export const RequestList = z
  .object({ schema: z.literal('heddle.requests/v1'), requests: z.array(RequestView) })
  .meta({ id: 'RequestList' })
export type RequestList = z.infer<typeof RequestList>

/** `GET /api/v1/requests`: newest first. */
export const RequestsQuery = z.object({
  limit: z.coerce.number().int().min(1).max(1_000).default(50),
  /** Only older ones. */
  before: Timestamp.optional(),
  model: z.string().max(256).optional(),
  outcome: z.string().max(64).optional(),
})
export type RequestsQuery = z.infer<typeof RequestsQuery>
