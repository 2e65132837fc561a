/** Turns the body of a chat or a completion into the choices to generate; everything wrong with it is said here. */
import { HeddleError } from '../../../../core/errors.ts'
import {
  type Body,
  flagField,
  integerField,
  isObject,
  objectField,
  textField,
  textsField,
  wrongField,
} from './fields.ts'
import { type ChoicePlan, checkLength } from './generate.ts'
import { JSON_OBJECT_GRAMMAR, jsonSchemaGrammar } from './json-grammar.ts'
import type { LoadedModel } from './loaded-model.ts'
import { chatPrompt, completionPrompt } from './prompt.ts'
import { samplingOf } from './sampling.ts'

/** Choices of one answer, prompt by prompt. */
export interface Plan {
  readonly choices: readonly ChoicePlan[]
  /** Tokens of all prompts, each counted once. */
  readonly promptTokens: number
  /** Choices of each prompt. */
  readonly perPrompt: number
}

const MAX_CHOICES = 128
const MAX_TOKENS = Number.MAX_SAFE_INTEGER
const MAX_TOP_LOGPROBS = 20
const MAX_STOPS = 4
/** What OpenAI's API does where a completion does not say. */
const DEFAULT_COMPLETION_TOKENS = 16

export async function planChat(loaded: LoadedModel, body: Body, requestId: string): Promise<Plan> {
  const generation = await loaded.generation()
  const prompt = chatPrompt({ model: loaded.model, ...loaded.chat() }, body)
  checkLength(generation, prompt, 'messages')
  const top = integerField(body, 'top_logprobs', 0, MAX_TOP_LOGPROBS)
  const wanted = flagField(body, 'logprobs')
  if (top !== undefined && top > 0 && !wanted) throw wrongField('top_logprobs', 'used with "logprobs": true')
  return await planned(loaded, body, {
    requestId,
    prompts: [prompt],
    maxTokens:
      integerField(body, 'max_completion_tokens', 0, MAX_TOKENS) ?? integerField(body, 'max_tokens', 0, MAX_TOKENS),
    logprobs: wanted ? (top ?? 0) : undefined,
  })
}

export async function planCompletion(loaded: LoadedModel, body: Body, requestId: string): Promise<Plan> {
  if (flagField(body, 'echo'))
    throw new HeddleError('unsupported_parameter', 'this runtime does not echo prompts', { param: 'echo' })
  if ((textField(body, 'suffix') ?? '') !== '')
    throw new HeddleError('unsupported_parameter', 'this runtime does not fill in before a suffix', { param: 'suffix' })
  const generation = await loaded.generation()
  const prompts = textsField(body, 'prompt', MAX_CHOICES).map((prompt) => completionPrompt(loaded.model, prompt))
  for (const prompt of prompts) checkLength(generation, prompt, 'prompt')
  return await planned(loaded, body, {
    requestId,
    prompts,
    maxTokens: integerField(body, 'max_tokens', 0, MAX_TOKENS) ?? DEFAULT_COMPLETION_TOKENS,
    logprobs: integerField(body, 'logprobs', 0, MAX_TOP_LOGPROBS),
  })
}

interface Parts extends Pick<ChoicePlan, 'maxTokens' | 'logprobs'> {
  readonly requestId: string
  readonly prompts: readonly ChoicePlan['prompt'][]
}

async function planned(
  loaded: LoadedModel,
  body: Body,
  { requestId, prompts, maxTokens, logprobs }: Parts,
): Promise<Plan> {
  const perPrompt = integerField(body, 'n', 1, MAX_CHOICES) ?? 1
  if (prompts.length * perPrompt > MAX_CHOICES)
    throw wrongField('n', `small enough that there are at most ${MAX_CHOICES} choices`)
  const sampling = samplingOf(body, requestId)
  const stops = stopsOf(body)
  const grammar = await grammarOf(loaded, body)
  return {
    choices: prompts.flatMap((prompt, at) =>
      Array.from({ length: perPrompt }, (_, number): ChoicePlan => {
        const index = at * perPrompt + number
        return { index, number, prompt, maxTokens, sampling, stops, grammar, logprobs }
      }),
    ),
    promptTokens: prompts.reduce((sum, prompt) => sum + prompt.length, 0),
    perPrompt,
  }
}

function stopsOf({ stop }: Body): readonly string[] {
  if (stop === undefined || stop === null) return []
  const stops = Array.isArray(stop) ? stop : [stop]
  if (stops.length > MAX_STOPS || !stops.every((item) => typeof item === 'string')) {
    throw wrongField('stop', `a string or an array of at most ${MAX_STOPS} strings`)
  }
  return stops
}

async function grammarOf(loaded: LoadedModel, body: Body): Promise<ChoicePlan['grammar']> {
  const format = objectField(body, 'response_format')
  switch (format?.type) {
    case undefined:
      if (format === undefined) return undefined
      throw wrongField('response_format', 'an object with a type')
    case 'text':
      return undefined
    case 'json_object':
      return await loaded.grammar(JSON_OBJECT_GRAMMAR)
    case 'json_schema':
      if (!isObject(format.json_schema) || !isObject(format.json_schema.schema)) {
        throw wrongField('response_format', 'an object with "json_schema": {"name": …, "schema": {…}}')
      }
      return await loaded.grammar(jsonSchemaGrammar(format.json_schema.schema))
    default:
      throw wrongField('response_format', 'of type "text", "json_object" or "json_schema"')
  }
}
