/** What the admin API says of models and runtimes, and what it takes to pull, add and remove them. */
import { z } from 'zod'
import { ConnectorView, RuntimeStateView, RuntimeView, Timestamp } from './admin.ts'
import { ErrorObject } from './error-body.ts'

/** One runtime of one node that offers a model. */
export const ModelProvider = z.object({
  node: z.string(),
  nodeName: z.string(),
  runtime: z.string(),
  connector: ConnectorView,
  state: RuntimeStateView,
  reason: z.string(),
  inFlight: z.int().nonnegative(),
  capacity: z.int().nonnegative(),
})
export type ModelProvider = z.infer<typeof ModelProvider>

export const ModelView = z
  .object({
    id: z.string(),
    ownedBy: z.string(),
    createdAt: Timestamp.nullable(),
    /** `ready` where at least one provider is; `offline` where the model is known but nobody offers it now. */
    state: z.enum(['ready', 'starting', 'unhealthy', 'stopped', 'offline']),
    endpoints: z.array(z.enum(['chat', 'completions', 'embeddings'])),
    contextTokens: z.int().nullable(),
    architecture: z.string().nullable(),
    quantisation: z.string().nullable(),
    parameters: z.number().nullable(),
    sizeBytes: z.int().nullable(),
    /** SHA-256 of the weights, lower-case hex. */
    digest: z.string().nullable(),
    vision: z.boolean(),
    providers: z.array(ModelProvider),
    /** The file's name in the models folder where this node holds the weights itself; only such models can be removed. */
    file: z.string().nullable(),
    lastSeenAt: Timestamp.nullable(),
  })
  .meta({ id: 'Model' })
export type ModelView = z.infer<typeof ModelView>

export const ModelList = z
  .object({ schema: z.literal('heddle.models/v1'), models: z.array(ModelView) })
  .meta({ id: 'ModelList' })
export type ModelList = z.infer<typeof ModelList>

/** `POST /api/v1/models/pull`. */
export const PullRequest = z
  .strictObject({
    /** A URL or a file on the node's own disk. */
    ref: z.string().min(1).max(4_096),
    /** What the model is called afterwards; by default the file's own name. */
    name: z.string().min(1).max(256).optional(),
    /** What the file must hash to. */
    sha256: z
      .string()
      .regex(/^[0-9a-fA-F]{64}$/, 'expected 64 hexadecimal digits')
      .optional(),
  })
  .meta({ id: 'PullRequest' })
export type PullRequest = z.infer<typeof PullRequest>

/** One line of a pull's NDJSON answer. The last line is `done` or `failed`; a stream that ends otherwise was cut. */
export const PullProgress = z
  .object({
    status: z.enum(['resolving', 'pulling', 'verifying', 'saving', 'done', 'failed']),
    digest: z.string().optional(),
    /** Bytes. */
    total: z.number().nonnegative().optional(),
    completed: z.number().nonnegative().optional(),
    /** Bytes a second. */
    ratePerSecond: z.number().nonnegative().optional(),
    etaSeconds: z.number().nonnegative().optional(),
    /** With `done`: the id under which the model can be asked for. */
    model: z.string().optional(),
    error: ErrorObject.optional(),
  })
  .meta({ id: 'PullProgress' })
export type PullProgress = z.infer<typeof PullProgress>

export const RuntimeList = z
  .object({ schema: z.literal('heddle.runtimes/v1'), runtimes: z.array(RuntimeView) })
  .meta({ id: 'RuntimeList' })
export type RuntimeList = z.infer<typeof RuntimeList>

/** `POST /api/v1/runtimes`. */
export const AddRuntime = z
  .strictObject({
    /** As in `HEDDLE_RUNTIMES`: `ollama[:url]`, `openai:<url>`, `llama`, `script:<model>`; a bare URL means `openai:<url>`. */
    spec: z.string().min(1).max(2_048),
    /** A file on the node's own disk that holds the upstream's API key. */
    keyFile: z.string().min(1).max(4_096).optional(),
    id: z
      .string()
      .regex(/^[A-Za-z0-9][A-Za-z0-9._:/@-]{0,127}$/, 'expected letters, digits and . _ : / @ -')
      .optional(),
  })
  .meta({ id: 'AddRuntime' })
export type AddRuntime = z.infer<typeof AddRuntime>

/** `POST /api/v1/runtimes/test`: a runtime that is there already by `id`, or one that might be added by `spec`. */
export const TestRuntime = z
  .union([
    z.strictObject({ id: z.string().min(1).max(2_048) }),
    z.strictObject({ spec: z.string().min(1).max(2_048), keyFile: z.string().min(1).max(4_096).optional() }),
  ])
  .meta({ id: 'TestRuntime' })
export type TestRuntime = z.infer<typeof TestRuntime>

export const RuntimeTest = z
  .object({
    ok: z.boolean(),
    /** What was tried, in order. */
    steps: z.array(
      z.object({ name: z.string(), ok: z.boolean(), detail: z.string(), durationMs: z.number().nonnegative() }),
    ),
    models: z.array(z.string()),
  })
  .meta({ id: 'RuntimeTest' })
export type RuntimeTest = z.infer<typeof RuntimeTest>

/** What was removed or revoked. */
export const Removed = z.object({ id: z.string(), removed: z.literal(true) }).meta({ id: 'Removed' })
export type Removed = z.infer<typeof Removed>
