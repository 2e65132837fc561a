/** What Ollama says of its models (`/api/tags`, `/api/show`, `/api/ps`) as model offers and facts. */
import { HeddleError } from '../../core/errors.ts'
import { limit } from '../../core/limits.ts'
import type { Endpoint, ModelOffer } from '../../core/routing/candidate.ts'
import { isModelId } from './openai-models.ts'

type Fields = Readonly<Record<string, unknown>>

/** One entry of `/api/tags`. */
export interface OllamaModel {
  readonly name: string
  /** Of Ollama's manifest, not of the weights. */
  readonly digest: string
  readonly sizeBytes: number | undefined
  readonly modifiedSeconds: number
  readonly details: Fields
}

/** What `/api/show` adds; it cannot change while the digest stays. */
export interface OllamaShow {
  /** Undefined where this Ollama is too old to say. */
  readonly capabilities: readonly string[] | undefined
  readonly contextTokens: number | undefined
  readonly parameters: number | undefined
  readonly architecture: string | undefined
}

export const UNKNOWN_SHOW: OllamaShow = {
  capabilities: undefined,
  contextTokens: undefined,
  parameters: undefined,
  architecture: undefined,
}

/**
 * All that `/v1` of Ollama reads of a request; it drops everything else without a word, so nothing else may be asked of it.
 * `max_completion_tokens` is here because we send it as `max_tokens`. (docs.ollama.com/api/openai-compatibility; ollama/ollama#7125)
 */
const ALWAYS_HONOURED = (
  'model messages prompt input stream stream_options encoding_format dimensions temperature top_p max_tokens max_completion_tokens ' +
  'stop seed presence_penalty frequency_penalty response_format'
).split(' ')
const HONOURED_WITH: Readonly<Record<string, readonly string[]>> = {
  tools: ['tools'],
  insert: ['suffix'],
  thinking: ['reasoning_effort', 'reasoning'],
}

export function modelsIn(answer: Fields, where: string): readonly OllamaModel[] {
  const { models } = answer
  if (!Array.isArray(models))
    throw new HeddleError('upstream_failed', `${where} answered JSON without a list of models`)
  const found = new Map<string, OllamaModel>()
  for (const entry of models) {
    if (found.size === limit('modelsPerRuntime')) break
    if (!isFields(entry) || !isModelId(entry['name'])) continue
    found.set(entry['name'], {
      name: entry['name'],
      digest: textOf(entry['digest']) ?? '',
      sizeBytes: countOf(entry['size']),
      modifiedSeconds: secondsOf(entry['modified_at']),
      details: isFields(entry['details']) ? entry['details'] : {},
    })
  }
  return [...found.values()]
}

export function showIn(answer: Fields): OllamaShow {
  const info = isFields(answer['model_info']) ? answer['model_info'] : {}
  const architecture = textOf(info['general.architecture'])
  const capabilities = answer['capabilities']
  const configured = /^num_ctx\s+(\d+)/m.exec(textOf(answer['parameters']) ?? '')?.[1]
  return {
    capabilities: Array.isArray(capabilities) ? capabilities.filter((item) => typeof item === 'string') : undefined,
    contextTokens: countOf(Number(configured)) ?? countOf(info[`${architecture}.context_length`]),
    parameters: countOf(info['general.parameter_count']),
    architecture,
  }
}

export function offerOf(model: OllamaModel, show: OllamaShow): ModelOffer {
  return {
    id: model.name,
    endpoints: endpointsOf(show.capabilities),
    accepts: { mode: 'only', names: honouredWith(show.capabilities) },
    createdSeconds: model.modifiedSeconds,
    ownedBy: model.name.includes('/') ? (model.name.split('/')[0] as string) : 'library',
    contextTokens: show.contextTokens,
    architecture: show.architecture ?? textOf(model.details['family']),
    quantisation: textOf(model.details['quantization_level']),
    parameters: show.parameters,
    sizeBytes: model.sizeBytes,
    vision: show.capabilities?.includes('vision'),
  }
}

function endpointsOf(capabilities: readonly string[] | undefined): readonly Endpoint[] {
  if (capabilities === undefined) return ['chat', 'completions', 'embeddings']
  const endpoints: Endpoint[] = capabilities.includes('completion') ? ['chat', 'completions'] : []
  return capabilities.includes('embedding') ? [...endpoints, 'embeddings'] : endpoints
}

function honouredWith(capabilities: readonly string[] | undefined): readonly string[] {
  const names = [...ALWAYS_HONOURED]
  for (const [capability, more] of Object.entries(HONOURED_WITH)) {
    if (capabilities === undefined || capabilities.includes(capability)) names.push(...more)
  }
  return names
}

/** What is loaded now and where it runs, for `ps`. */
export function loadedIn(answer: Fields): Readonly<Record<string, string>> {
  const entries = Array.isArray(answer['models'])
    ? answer['models'].filter(isFields).slice(0, limit('modelsPerRuntime'))
    : []
  const names = entries.map((entry) => entry['name']).filter(isModelId)
  if (names.length === 0) return { loaded: '' }
  let size = 0
  let onGpu = 0
  for (const entry of entries) {
    size += countOf(entry['size']) ?? 0
    onGpu += countOf(entry['size_vram']) ?? 0
  }
  const percent = size === 0 ? 0 : Math.round((100 * Math.min(onGpu, size)) / size)
  const processor = percent === 0 ? '100% CPU' : percent === 100 ? '100% GPU' : `${100 - percent}%/${percent}% CPU/GPU`
  return { loaded: names.join(', '), processor }
}

function secondsOf(value: unknown): number {
  const ms = typeof value === 'string' ? Date.parse(value) : Number.NaN
  return Number.isFinite(ms) && ms > 0 ? Math.floor(ms / 1000) : 0
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined
}

function countOf(value: unknown): number | undefined {
  return Number.isSafeInteger(value) && (value as number) > 0 ? (value as number) : undefined
}

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
