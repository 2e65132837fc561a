/** What each request parameter must look like, when it changes nothing, and whether a runtime has to honour it. */

/** Says what was expected where the value is wrong; undefined where it is fine. */
type Check = (value: unknown) => string | undefined

interface Parameter {
  readonly check: Check
  /** True where this value asks for nothing, e.g. `n: 1`. `null` never asks for anything. */
  readonly isNeutral?: (value: unknown) => boolean
  /** Parameters about bookkeeping, which no runtime has to honour for the answer to be right. */
  readonly bookkeeping?: true
}

const isObject = (value: unknown): boolean => typeof value === 'object' && value !== null && !Array.isArray(value)
const anything: Check = () => undefined
const text: Check = (value) => (typeof value === 'string' ? undefined : 'a string')
const flag: Check = (value) => (typeof value === 'boolean' ? undefined : 'a boolean')
const object: Check = (value) => (isObject(value) ? undefined : 'an object')
const list: Check = (value) => (Array.isArray(value) ? undefined : 'an array')

function number(min: number, max: number): Check {
  const expected = `a number from ${min} to ${max}`
  return (value) => (typeof value === 'number' && value >= min && value <= max ? undefined : expected)
}

function integer(min: number, max: number): Check {
  const expected = max >= Number.MAX_SAFE_INTEGER ? `an integer of at least ${min}` : `an integer from ${min} to ${max}`
  return (value) =>
    typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max ? undefined : expected
}

const MAX = Number.MAX_SAFE_INTEGER
const MAX_CHOICES = 128
const MAX_STOPS = 4
const MAX_TOP_LOGPROBS = 20

const stop: Check = (value) => {
  const fine =
    typeof value === 'string' ||
    (Array.isArray(value) && value.length <= MAX_STOPS && value.every((item) => typeof item === 'string'))
  return fine ? undefined : `a string or an array of at most ${MAX_STOPS} strings`
}

const isEmpty = (value: unknown): boolean => Array.isArray(value) && value.length === 0
const is =
  (neutral: unknown) =>
  (value: unknown): boolean =>
    value === neutral

const structural = { check: anything, bookkeeping: true } as const satisfies Parameter

/** Checked in `parse-inference-request.ts`, where the endpoint decides what is needed. */
const STRUCTURE: Readonly<Record<string, Parameter>> = {
  model: structural,
  messages: structural,
  prompt: structural,
  input: structural,
  stream: { check: flag, bookkeeping: true },
  stream_options: { check: object, bookkeeping: true },
  encoding_format: {
    check: (value) => (value === 'float' || value === 'base64' ? undefined : '"float" or "base64"'),
    bookkeeping: true,
  },
  user: { check: text, bookkeeping: true },
  safety_identifier: { check: text, bookkeeping: true },
  prompt_cache_key: { check: text, bookkeeping: true },
  prompt_cache_retention: structural,
  metadata: { check: object, bookkeeping: true },
  store: { check: flag, bookkeeping: true },
  service_tier: { check: text, bookkeeping: true },
  prediction: { check: object, bookkeeping: true },
}

const SAMPLING: Readonly<Record<string, Parameter>> = {
  max_tokens: { check: integer(1, MAX) },
  max_completion_tokens: { check: integer(1, MAX) },
  temperature: { check: number(0, 2) },
  top_p: { check: number(0, 1) },
  n: { check: integer(1, MAX_CHOICES), isNeutral: is(1) },
  best_of: { check: integer(1, MAX_CHOICES), isNeutral: is(1) },
  stop: { check: stop, isNeutral: isEmpty },
  seed: { check: integer(Number.MIN_SAFE_INTEGER, MAX) },
  presence_penalty: { check: number(-2, 2), isNeutral: is(0) },
  frequency_penalty: { check: number(-2, 2), isNeutral: is(0) },
  logit_bias: { check: object, isNeutral: (value) => isObject(value) && Object.keys(value as object).length === 0 },
  logprobs: {
    check: (value) =>
      typeof value === 'boolean' || integer(0, MAX_TOP_LOGPROBS)(value) === undefined
        ? undefined
        : `a boolean, or for completions an integer from 0 to ${MAX_TOP_LOGPROBS}`,
    isNeutral: is(false),
  },
  top_logprobs: { check: integer(0, MAX_TOP_LOGPROBS), isNeutral: is(0) },
  echo: { check: flag, isNeutral: is(false) },
  suffix: { check: text, isNeutral: is('') },
}

const SHAPE: Readonly<Record<string, Parameter>> = {
  response_format: {
    check: (value) =>
      isObject(value) && typeof (value as { type?: unknown }).type === 'string' ? undefined : 'an object with a type',
    isNeutral: (value) => (value as { type?: unknown }).type === 'text',
  },
  tools: { check: list, isNeutral: isEmpty },
  functions: { check: list, isNeutral: isEmpty },
  tool_choice: {
    check: (value) => (typeof value === 'string' || isObject(value) ? undefined : 'a string or an object'),
    isNeutral: is('auto'),
  },
  function_call: {
    check: (value) => (typeof value === 'string' || isObject(value) ? undefined : 'a string or an object'),
    isNeutral: is('auto'),
  },
  parallel_tool_calls: { check: flag, isNeutral: is(true) },
  reasoning_effort: { check: text },
  dimensions: { check: integer(1, MAX) },
  modalities: { check: list, isNeutral: (value) => Array.isArray(value) && value.every((item) => item === 'text') },
}

const PARAMETERS: ReadonlyMap<string, Parameter> = new Map(Object.entries({ ...STRUCTURE, ...SAMPLING, ...SHAPE }))

/** How one field of a request is to be taken. */
export type ParameterVerdict =
  | { readonly kind: 'wrong'; readonly expected: string }
  /** It asks for something that the runtime must honour. */
  | { readonly kind: 'asked' }
  | { readonly kind: 'ignorable' }

const ASKED: ParameterVerdict = { kind: 'asked' }
const IGNORABLE: ParameterVerdict = { kind: 'ignorable' }

/** Judges one field. A name that nobody knows is a vendor's extra: it is asked for and passes through untouched. */
export function judgeParameter(name: string, value: unknown): ParameterVerdict {
  const parameter = PARAMETERS.get(name)
  if (parameter === undefined) return value === null ? IGNORABLE : ASKED
  if (value === null || value === undefined) return IGNORABLE
  const expected = parameter.check(value)
  if (expected !== undefined) return { kind: 'wrong', expected }
  if (parameter.bookkeeping === true || parameter.isNeutral?.(value) === true) return IGNORABLE
  return ASKED
}
