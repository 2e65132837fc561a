/** Turns an untrusted OpenAI request body into the fields that we route on, or says which field is wrong. */
import { HeddleError } from '../errors.ts'
import { limit } from '../limits.ts'
import type { Endpoint } from '../routing/candidate.ts'
import type { InferenceRequest } from './inference-request.ts'
import { judgeParameter } from './parameters.ts'

/** The path of each endpoint at a runtime. */
export const ENDPOINT_PATHS: Readonly<Record<Endpoint, string>> = {
  chat: '/v1/chat/completions',
  completions: '/v1/completions',
  embeddings: '/v1/embeddings',
}

type Json = Readonly<Record<string, unknown>>

const ROLES: ReadonlySet<string> = new Set(['system', 'developer', 'user', 'assistant', 'tool', 'function'])
const TOOL_PARAMETERS: ReadonlySet<string> = new Set(['tool_choice', 'parallel_tool_calls', 'function_call'])

/**
 * @param json the parsed body
 * @param body its bytes as they came
 * @throws HeddleError `invalid_request` naming the field
 */
export function parseInferenceRequest(endpoint: Endpoint, json: unknown, body: Uint8Array): InferenceRequest {
  if (!isJson(json)) throw wrong(undefined, 'the body must be a JSON object')
  if (isDeeperThan(json, limit('jsonDepth')))
    throw wrong(undefined, `the body nests deeper than ${limit('jsonDepth')} levels`)
  const model = parseModel(json.model)
  const parameters: string[] = []
  for (const name in json) {
    const verdict = judgeParameter(name, json[name])
    if (verdict.kind === 'wrong') throw wrong(name, `"${name}" must be ${verdict.expected}`)
    if (verdict.kind === 'asked') parameters.push(name)
  }
  const stream = json.stream === true
  const options = json.stream_options
  if (isJson(options) && !stream) throw wrong('stream_options', '"stream_options" needs "stream": true')
  return {
    endpoint,
    path: ENDPOINT_PATHS[endpoint],
    model,
    stream: stream && endpoint !== 'embeddings',
    includeUsage: isJson(options) && options.include_usage === true,
    encodingFormat: endpoint === 'embeddings' ? encodingOf(json.encoding_format) : undefined,
    parameters: withoutIdleToolParameters(parameters),
    hasImages: parseInput(endpoint, json),
    maxTokens: numberOf(json.max_completion_tokens) ?? numberOf(json.max_tokens),
    choices: numberOf(json.n) ?? 1,
    // Also where it is null: a second one put before it would lose to it.
    hasStreamOptions: options !== undefined,
    body,
  }
}

function parseModel(model: unknown): string {
  if (typeof model !== 'string')
    throw wrong('model', model === undefined ? 'name a model in "model"' : '"model" must be a string')
  if (model.length === 0 || model.length > limit('modelIdBytes'))
    throw wrong('model', `"model" must have 1 to ${limit('modelIdBytes')} characters`)
  return model
}

/** Checks what the endpoint works on; true where a message carries an image. */
function parseInput(endpoint: Endpoint, json: Json): boolean {
  switch (endpoint) {
    case 'chat':
      return parseMessages(json.messages)
    case 'completions':
      if (!isPrompt(json.prompt))
        throw wrong('prompt', '"prompt" must be a string, an array of strings, or an array of tokens')
      return false
    case 'embeddings':
      if (!isPrompt(json.input) || json.input === '')
        throw wrong('input', '"input" must be a string that is not empty, an array of strings, or an array of tokens')
      return false
    default:
      return endpoint satisfies never
  }
}

function parseMessages(messages: unknown): boolean {
  if (!Array.isArray(messages) || messages.length === 0)
    throw wrong('messages', '"messages" must be an array with at least one message')
  let hasImages = false
  for (let index = 0; index < messages.length; index += 1) {
    const message: unknown = messages[index]
    const path = `messages[${index}]`
    if (!isJson(message)) throw wrong(path, `"${path}" must be an object`)
    if (typeof message.role !== 'string' || !ROLES.has(message.role)) {
      throw wrong(`${path}.role`, `"${path}.role" must be one of ${[...ROLES].join(', ')}`)
    }
    if (parseContent(message, path)) hasImages = true
  }
  return hasImages
}

function parseContent(message: Json, path: string): boolean {
  const content = message.content
  if (typeof content === 'string') return false
  // An assistant that only called tools has no content.
  if (content === null || content === undefined) {
    if (message.role === 'assistant' || message.role === 'function') return false
    throw wrong(`${path}.content`, `"${path}.content" is missing`)
  }
  if (!Array.isArray(content)) throw wrong(`${path}.content`, `"${path}.content" must be a string or an array of parts`)
  let hasImages = false
  for (let index = 0; index < content.length; index += 1) {
    const part: unknown = content[index]
    if (!isJson(part) || typeof part.type !== 'string') {
      throw wrong(`${path}.content[${index}]`, `"${path}.content[${index}]" must be an object with a type`)
    }
    if (part.type === 'text' && typeof part.text !== 'string') {
      throw wrong(`${path}.content[${index}].text`, `"${path}.content[${index}].text" must be a string`)
    }
    if (part.type === 'image_url') hasImages = true
  }
  return hasImages
}

function isPrompt(value: unknown): boolean {
  if (typeof value === 'string') return true
  if (!Array.isArray(value) || value.length === 0) return false
  if (typeof value[0] === 'string') return value.every((item) => typeof item === 'string')
  if (typeof value[0] === 'number') return value.every(isToken)
  return value.every((item) => Array.isArray(item) && item.length > 0 && item.every(isToken))
}

const isToken = (value: unknown): boolean => typeof value === 'number' && Number.isInteger(value) && value >= 0

/** `tool_choice` and the like mean nothing without tools. */
function withoutIdleToolParameters(parameters: readonly string[]): readonly string[] {
  if (parameters.includes('tools') || parameters.includes('functions')) return parameters
  return parameters.some((name) => TOOL_PARAMETERS.has(name))
    ? parameters.filter((name) => !TOOL_PARAMETERS.has(name))
    : parameters
}

function encodingOf(value: unknown): 'float' | 'base64' {
  return value === 'base64' ? 'base64' : 'float'
}

const numberOf = (value: unknown): number | undefined => (typeof value === 'number' ? value : undefined)

function isJson(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Whether arrays and objects nest more than `levels` deep; stops there, so depth costs no stack. */
function isDeeperThan(value: unknown, levels: number): boolean {
  if (typeof value !== 'object' || value === null) return false
  if (levels === 0) return true
  if (Array.isArray(value)) {
    // Token arrays are long and flat: their first element tells.
    if (typeof value[0] === 'number')
      return value.some((item) => typeof item === 'object' && isDeeperThan(item, levels - 1))
    return value.some((item) => isDeeperThan(item, levels - 1))
  }
  for (const name in value) if (isDeeperThan((value as Json)[name], levels - 1)) return true
  return false
}

function wrong(param: string | undefined, message: string): HeddleError {
  return new HeddleError('invalid_request', message, { param })
}
