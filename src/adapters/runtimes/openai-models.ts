/** The answer of `GET /v1/models` as model offers: untrusted, bounded, and with the extras that some servers add. */
import { HeddleError } from '../../core/errors.ts'
import { limit } from '../../core/limits.ts'
import type { Endpoint, ModelOffer } from '../../core/routing/candidate.ts'

type Fields = Readonly<Record<string, unknown>>

const OWNER_CHARACTERS = 64
const CHAT: readonly Endpoint[] = ['chat', 'completions']
const EMBEDDINGS: readonly Endpoint[] = ['embeddings']
const EVERYTHING: readonly Endpoint[] = ['chat', 'completions', 'embeddings']

/** The offers in a model list; entries without a usable id are left out. Throws `upstream_failed` where there is no list. */
export function offersIn(answer: Fields, where: string): readonly ModelOffer[] {
  const { data } = answer
  if (!Array.isArray(data)) throw new HeddleError('upstream_failed', `${where} answered JSON without a list of models`)
  const offers = new Map<string, ModelOffer>()
  for (const entry of data) {
    if (offers.size === limit('modelsPerRuntime')) break
    if (!isFields(entry) || !isModelId(entry['id']) || offers.has(entry['id'])) continue
    offers.set(entry['id'], offerOf(entry['id'], entry))
  }
  return [...offers.values()]
}

/** Whether clients may be shown this id: short, printable, and the same after trimming. */
export function isModelId(id: unknown): id is string {
  return (
    typeof id === 'string' &&
    id !== '' &&
    id.trim() === id &&
    isPrintable(id) &&
    Buffer.byteLength(id) <= limit('modelIdBytes')
  )
}

function offerOf(id: string, entry: Fields): ModelOffer {
  const meta = isFields(entry['meta']) ? entry['meta'] : {}
  const architecture = isFields(entry['architecture']) ? entry['architecture'] : {}
  const inputs = Array.isArray(architecture['input_modalities']) ? architecture['input_modalities'] : undefined
  return {
    id,
    endpoints: endpointsOf(entry['type']),
    // Such servers name the parameter that they refuse, and take extras that we do not know.
    accepts: { mode: 'all-but', names: [] },
    createdSeconds: countOf(entry['created']) ?? 0,
    ownedBy: ownerOf(entry['owned_by']),
    contextTokens: countOf(entry['max_model_len']) ?? countOf(entry['context_length']) ?? countOf(meta['n_ctx_train']),
    parameters: countOf(meta['n_params']),
    sizeBytes: countOf(meta['size']),
    vision: entry['type'] === 'vlm' ? true : inputs?.includes('image'),
  }
}

/** LM Studio says what a model is for; the others do not, and answer with an error where it is not for that. */
function endpointsOf(type: unknown): readonly Endpoint[] {
  if (type === 'llm' || type === 'vlm') return CHAT
  return type === 'embeddings' || type === 'embedding' ? EMBEDDINGS : EVERYTHING
}

function ownerOf(value: unknown): string {
  return typeof value === 'string' && value !== '' && isPrintable(value) ? value.slice(0, OWNER_CHARACTERS) : 'unknown'
}

function isPrintable(text: string): boolean {
  return !/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/u.test(text)
}

function countOf(value: unknown): number | undefined {
  return Number.isSafeInteger(value) && (value as number) > 0 ? (value as number) : undefined
}

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
