/** The sampling parameters of a request, and the engine's options that honour them. */
import { createHash } from 'node:crypto'
import type { LlamaGrammar, LlamaModel, SequenceEvaluateOptions, Token } from 'node-llama-cpp'
import { HeddleError } from '../../../../core/errors.ts'
import { type Body, integerField, numberField, objectField, wrongField } from './fields.ts'
import type { EngineLibrary } from './library.ts'
import { vocabularySize } from './special-tokens.ts'

export interface Sampling {
  readonly temperature: number
  readonly topP: number
  /** 0 means all tokens. */
  readonly topK: number
  readonly minP: number
  /** 32 bits, without the one value that the engine reads as "any". */
  readonly seed: number
  readonly presencePenalty: number
  readonly frequencyPenalty: number
  /** Counts the prompt's tokens too; 1 means none. */
  readonly repetitionPenalty: number
  readonly bias: ReadonlyMap<number, number>
}

const MAX_TOP_K = 1_000_000
const MAX_BIASES = 1_024
const ANY_SEED = 0xff_ff_ff_ff

/** @param requestId seeds the choice of tokens where the request gives no seed */
export function samplingOf(body: Body, requestId: string): Sampling {
  const sampling: Sampling = {
    temperature: numberField(body, 'temperature', 0, 2) ?? 1,
    topP: numberField(body, 'top_p', 0, 1) ?? 1,
    topK: Math.max(0, integerField(body, 'top_k', -1, MAX_TOP_K) ?? 0),
    minP: numberField(body, 'min_p', 0, 1) ?? 0,
    seed: seedOf(body, requestId),
    presencePenalty: numberField(body, 'presence_penalty', -2, 2) ?? 0,
    frequencyPenalty: numberField(body, 'frequency_penalty', -2, 2) ?? 0,
    repetitionPenalty: numberField(body, 'repetition_penalty', 0.01, 10) ?? 1,
    bias: biasOf(body),
  }
  const counts = sampling.presencePenalty !== 0 || sampling.frequencyPenalty !== 0
  if (sampling.repetitionPenalty !== 1 && counts) {
    // The engine keeps one list of tokens for all three, and only this one counts the prompt.
    throw new HeddleError(
      'unsupported_parameter',
      '"repetition_penalty" cannot be combined with presence or frequency penalties here',
      {
        param: 'repetition_penalty',
      },
    )
  }
  return sampling
}

/**
 * The engine's options for one choice.
 * @param choice its number among those of the request: equal seeds must not give equal choices
 * @param generated the tokens so far; the caller appends to it
 */
export function evaluateOptions(
  { library, model }: { readonly library: EngineLibrary; readonly model: LlamaModel },
  sampling: Sampling,
  { choice, prompt, generated, maxTokens, grammar }: EvaluateContext,
): SequenceEvaluateOptions {
  const penalises =
    sampling.presencePenalty !== 0 || sampling.frequencyPenalty !== 0 || sampling.repetitionPenalty !== 1
  const past = sampling.repetitionPenalty === 1 ? [] : prompt
  return {
    temperature: sampling.temperature,
    topP: sampling.topP,
    // Absent would mean 40 and 0 would sort the whole vocabulary at every token; only null leaves the step out.
    topK: sampling.topK === 0 ? (null as unknown as number) : sampling.topK,
    minP: sampling.minP,
    seed: (sampling.seed + choice) % ANY_SEED,
    ...(penalises
      ? {
          repeatPenalty: {
            punishTokens: () => [...past, ...generated],
            maxPunishTokens: past.length + maxTokens,
            penalty: sampling.repetitionPenalty,
            presencePenalty: sampling.presencePenalty,
            frequencyPenalty: sampling.frequencyPenalty,
          },
        }
      : {}),
    ...(sampling.bias.size === 0 ? {} : { tokenBias: tokenBiasOf(library, model, sampling.bias) }),
    ...(grammar === undefined ? {} : { grammarEvaluationState: new library.GrammarState({ model, grammar }) }),
    // Never reached: generation ends where the context does. It guards against a silent shift all the same.
    contextShift: { strategy: refuseShift },
  }
}

interface EvaluateContext {
  readonly choice: number
  readonly prompt: readonly Token[]
  readonly generated: readonly Token[]
  readonly maxTokens: number
  readonly grammar: LlamaGrammar | undefined
}

function refuseShift(): never {
  throw new HeddleError('internal', 'the context of the model is full')
}

function seedOf(body: Body, requestId: string): number {
  const seed = integerField(body, 'seed', Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER)
  if (seed !== undefined) return Number(BigInt.asUintN(32, BigInt(seed)))
  return createHash('sha256').update(requestId).digest().readUInt32LE(0)
}

function biasOf(body: Body): ReadonlyMap<number, number> {
  const entries = Object.entries(objectField(body, 'logit_bias') ?? {})
  if (entries.length > MAX_BIASES) throw wrongField('logit_bias', `an object with at most ${MAX_BIASES} tokens`)
  return new Map(
    entries.map(([key, value]) => {
      if (!/^\d{1,9}$/.test(key) || typeof value !== 'number' || !(value >= -100 && value <= 100)) {
        throw wrongField('logit_bias', 'an object of token ids with numbers from -100 to 100')
      }
      return [Number(key), value]
    }),
  )
}

function tokenBiasOf(
  library: EngineLibrary,
  model: LlamaModel,
  bias: ReadonlyMap<number, number>,
): InstanceType<EngineLibrary['TokenBias']> {
  const result = library.TokenBias.for(model)
  for (const [id, logit] of bias) {
    const token = id as Token
    if (id >= vocabularySize(model)) throw wrongField('logit_bias', 'an object of token ids that the model has')
    if (model.isEogToken(token)) {
      throw new HeddleError('unsupported_parameter', 'the engine cannot bias tokens that end an answer', {
        param: 'logit_bias',
      })
    }
    result.set(token, { logit })
  }
  return result
}
