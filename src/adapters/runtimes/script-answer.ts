/** What a scripted model answers to a request: read, refused or planned down to the last token, before anything is sent. */
import type { ErrorCode } from '../../core/errors.ts'
import { unreachable } from '../../core/ids.ts'
import type { Endpoint } from '../../core/routing/candidate.ts'
import { instanceOf, UnsupportedSchema } from './script-json.ts'
import type { ScriptOptions } from './script-options.ts'
import { countTokens, cutAt, fragmentsOf, hashOf, wordAt } from './script-text.ts'

export interface ScriptChoice {
  readonly index: number
  readonly seed: number
  /** The position of the first token, counted from the beginning of the assistant's turn. */
  readonly start: number
  /** The answer token by token; for a tool call, its arguments. */
  readonly pieces: readonly string[]
  /** Put before the first token: the prompt, where the client asked for its echo. */
  readonly echo: string
  readonly tool: { readonly id: string; readonly name: string } | undefined
  readonly finish: 'stop' | 'length' | 'tool_calls'
}

export interface ScriptPlan {
  readonly kind: 'generate'
  readonly stream: boolean
  readonly includeUsage: boolean
  readonly choices: readonly ScriptChoice[]
  readonly promptTokens: number
  /** Alternatives to give with each token; undefined where no log probabilities were asked for. */
  readonly logprobs: number | undefined
}

export interface ScriptEmbedding {
  readonly kind: 'embed'
  readonly inputs: readonly string[]
  readonly dimensions: number
  readonly base64: boolean
  readonly promptTokens: number
}

export interface ScriptRefusal {
  readonly kind: 'refused'
  readonly code: ErrorCode
  readonly message: string
  readonly param: string | null
}

type Fields = Readonly<Record<string, unknown>>

const DEFAULT_DIMENSIONS = 64
const MAX_DIMENSIONS = 4096
const MAX_CHOICES = 128

/** Plans the answer; the same body gives the same plan. */
export function planAnswer(
  options: ScriptOptions,
  endpoint: Endpoint,
  body: Uint8Array,
): ScriptPlan | ScriptEmbedding | ScriptRefusal {
  const fields = parseBody(body)
  if (fields === undefined) return refused('malformed_json', 'the body is not a JSON object', null)
  if (typeof fields['model'] !== 'string') return refused('invalid_request', 'model must be a string', 'model')
  if (fields['model'] !== options.model) return refused('model_not_found', 'this runtime has no such model', 'model')
  switch (endpoint) {
    case 'chat':
      return planChat(options, fields)
    case 'completions':
      return planCompletions(options, fields)
    case 'embeddings':
      return planEmbeddings(options, fields)
    default:
      return unreachable(endpoint)
  }
}

function planChat(options: ScriptOptions, fields: Fields): ScriptPlan | ScriptRefusal {
  const messages = fields['messages']
  if (!Array.isArray(messages) || messages.length === 0) {
    return refused('invalid_request', 'messages must be a list with at least one message', 'messages')
  }
  const turns = messages.map(turnOf)
  const wrong = turns.indexOf(undefined)
  if (wrong >= 0) return refused('invalid_request', 'a message needs a role and content', `messages[${wrong}]`)
  const last = turns.at(-1) as Turn
  // An assistant's last message is continued: its words are the positions already spoken.
  const start = last.role === 'assistant' ? countTokens(last.text) : 0
  const spoken = last.role === 'assistant' ? turns.slice(0, -1) : turns
  const prompt = spoken.map((turn) => `${turn?.role}\0${turn?.text}`).join('\0\0')
  const promptTokens = turns.reduce((sum, turn) => sum + 4 + countTokens(turn?.text ?? ''), 0)

  const tool = options.tools ? toolToCall(fields, last) : undefined
  if (tool?.kind === 'refused') return tool
  let scripted: string | undefined
  try {
    if (tool !== undefined) scripted = JSON.stringify(instanceOf(tool.parameters))
    else scripted = structuredText(fields, wordAt(hashOf(`${options.model}\0${prompt}`), 0))
  } catch (error) {
    if (!(error instanceof UnsupportedSchema)) throw error
    return refused(
      'invalid_request',
      `the scripted model cannot satisfy this schema: ${error.message}`,
      tool === undefined ? 'response_format' : 'tools',
    )
  }
  const most = countOf(fields['max_completion_tokens']) ?? countOf(fields['max_tokens'])
  const topLogprobs = fields['logprobs'] === true ? (countOf(fields['top_logprobs']) ?? 0) : undefined
  const named =
    tool === undefined ? undefined : { id: `call_${hashOf(prompt).toString(16).padStart(8, '0')}`, name: tool.name }
  return plan(options, fields, {
    prompts: [prompt],
    echo: false,
    start,
    scripted,
    tool: named,
    most,
    promptTokens,
    logprobs: topLogprobs,
  })
}

function planCompletions(options: ScriptOptions, fields: Fields): ScriptPlan | ScriptRefusal {
  const prompts = textsOf(fields['prompt'])
  if (prompts === undefined)
    return refused('invalid_request', 'prompt must be a text, a list of texts or token ids', 'prompt')
  const promptTokens = prompts.reduce((sum, prompt) => sum + countTokens(prompt), 0)
  const suffix = typeof fields['suffix'] === 'string' ? fields['suffix'] : ''
  return plan(options, fields, {
    prompts: suffix === '' ? prompts : prompts.map((prompt) => `${prompt}\0${suffix}`),
    echo: fields['echo'] === true,
    start: 0,
    scripted: undefined,
    tool: undefined,
    most: countOf(fields['max_tokens']) ?? 16,
    promptTokens,
    logprobs: countOf(fields['logprobs']),
  })
}

interface Draft {
  readonly prompts: readonly string[]
  readonly echo: boolean
  readonly start: number
  /** The whole answer where it is not prose. */
  readonly scripted: string | undefined
  readonly tool: ScriptChoice['tool']
  readonly most: number | undefined
  readonly promptTokens: number
  readonly logprobs: number | undefined
}

function plan(options: ScriptOptions, fields: Fields, draft: Draft): ScriptPlan | ScriptRefusal {
  const n = countOf(fields['n']) ?? 1
  if (n < 1 || n * draft.prompts.length > MAX_CHOICES)
    return refused('invalid_request', `n must be 1 to ${MAX_CHOICES}`, 'n')
  const room = options.contextTokens - draft.promptTokens
  if (room < 1) {
    const message = `the prompt has ${draft.promptTokens} tokens and the context ${options.contextTokens}`
    return refused('context_length_exceeded', message, null)
  }
  const most = Math.min(draft.most ?? room, room)
  const stops = stopsOf(fields['stop'])
  const choices: ScriptChoice[] = []
  for (const prompt of draft.prompts) {
    for (let copy = 0; copy < n; copy += 1) {
      const seed = hashOf(`${options.model}\0${prompt}${copy === 0 ? '' : `\0${copy}`}`)
      const whole =
        draft.scripted === undefined ? prose(seed, draft.start, options.tokens, most) : fragmentsOf(draft.scripted)
      const { pieces, finish } = cutAt(whole, stops, most)
      choices.push({
        index: choices.length,
        seed,
        start: draft.start,
        pieces,
        echo: draft.echo ? (prompt.split('\0')[0] as string) : '',
        tool: draft.tool,
        finish: finish === 'stop' && draft.tool !== undefined ? 'tool_calls' : finish,
      })
    }
  }
  const streamOptions = isFields(fields['stream_options']) ? fields['stream_options'] : {}
  return {
    kind: 'generate',
    stream: fields['stream'] === true,
    includeUsage: streamOptions['include_usage'] === true,
    choices,
    promptTokens: draft.promptTokens,
    logprobs: draft.logprobs,
  }
}

/** The rest of a text of `length` tokens from `start` on, and one more than `most` of them so that the cut shows. */
function prose(seed: number, start: number, length: number, most: number): string[] {
  const count = Math.min(Math.max(length - start, 1), most + 1)
  return Array.from({ length: count }, (_token, offset) => wordAt(seed, start + offset))
}

function planEmbeddings(options: ScriptOptions, fields: Fields): ScriptEmbedding | ScriptRefusal {
  const inputs = textsOf(fields['input'])
  if (inputs === undefined)
    return refused('invalid_request', 'input must be a text, a list of texts or token ids', 'input')
  const dimensions = fields['dimensions'] === undefined ? DEFAULT_DIMENSIONS : countOf(fields['dimensions'])
  if (dimensions === undefined || dimensions < 1 || dimensions > MAX_DIMENSIONS) {
    return refused('invalid_request', `dimensions must be 1 to ${MAX_DIMENSIONS}`, 'dimensions')
  }
  const counts = inputs.map(countTokens)
  if (counts.some((count) => count > options.contextTokens)) {
    return refused('context_length_exceeded', `an input is longer than ${options.contextTokens} tokens`, 'input')
  }
  const promptTokens = counts.reduce((sum, count) => sum + count, 0)
  return { kind: 'embed', inputs, dimensions, base64: fields['encoding_format'] === 'base64', promptTokens }
}

interface Turn {
  readonly role: string
  readonly text: string
}

function turnOf(message: unknown): Turn | undefined {
  if (!isFields(message) || typeof message['role'] !== 'string') return undefined
  const { content } = message
  if (typeof content === 'string') return { role: message['role'], text: content }
  if (content === null || content === undefined) {
    return Array.isArray(message['tool_calls'])
      ? { role: message['role'], text: JSON.stringify(message['tool_calls']) }
      : undefined
  }
  return Array.isArray(content) ? { role: message['role'], text: content.map(partText).join('\n') } : undefined
}

function partText(part: unknown): string {
  return isFields(part) && typeof part['text'] === 'string' ? part['text'] : JSON.stringify(part)
}

interface ToolToCall {
  readonly kind: 'tool'
  readonly name: string
  readonly parameters: unknown
}

/** The tool to call now: the one asked for, else the first, and none once a tool has answered. */
function toolToCall(fields: Fields, last: Turn): ToolToCall | ScriptRefusal | undefined {
  const tools = Array.isArray(fields['tools']) ? fields['tools'] : []
  const choice = fields['tool_choice'] ?? 'auto'
  if (tools.length === 0 || choice === 'none' || (choice === 'auto' && last.role === 'tool')) return undefined
  const functions = tools.map((tool) => (isFields(tool) && isFields(tool['function']) ? tool['function'] : undefined))
  const wrong = functions.findIndex((candidate) => typeof candidate?.['name'] !== 'string')
  if (wrong >= 0) return refused('invalid_request', 'a tool needs function.name', `tools[${wrong}].function.name`)
  const asked = isFields(choice) && isFields(choice['function']) ? choice['function']['name'] : undefined
  const chosen = asked === undefined ? functions[0] : functions.find((candidate) => candidate?.['name'] === asked)
  if (chosen === undefined)
    return refused('invalid_request', 'tool_choice names a tool that is not among tools', 'tool_choice')
  return { kind: 'tool', name: chosen['name'] as string, parameters: chosen['parameters'] ?? { type: 'object' } }
}

function structuredText(fields: Fields, word: string): string | undefined {
  const format = isFields(fields['response_format']) ? fields['response_format'] : {}
  if (format['type'] === 'json_object') return JSON.stringify({ answer: word })
  if (format['type'] !== 'json_schema') return undefined
  const wrapped = isFields(format['json_schema']) ? format['json_schema'] : {}
  return JSON.stringify(instanceOf(wrapped['schema'] ?? {}))
}

/** The texts of a `prompt` or an `input`: one or several, as text or as token ids. */
function textsOf(value: unknown): string[] | undefined {
  if (typeof value === 'string') return [value]
  if (!Array.isArray(value) || value.length === 0) return undefined
  if (value.every((item) => typeof item === 'string')) return value
  if (value.every((item) => Number.isInteger(item))) return [value.join(' ')]
  if (value.every((item) => Array.isArray(item) && item.length > 0 && item.every(Number.isInteger))) {
    return value.map((ids: readonly number[]) => ids.join(' '))
  }
  return undefined
}

function stopsOf(value: unknown): readonly string[] {
  if (typeof value === 'string') return [value]
  return Array.isArray(value) ? value.filter((item) => typeof item === 'string') : []
}

function countOf(value: unknown): number | undefined {
  return Number.isInteger(value) && (value as number) >= 0 ? (value as number) : undefined
}

function parseBody(body: Uint8Array): Fields | undefined {
  try {
    const value: unknown = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body))
    return isFields(value) ? value : undefined
  } catch {
    // Bad UTF-8 or bad JSON; the refusal says so.
    return undefined
  }
}

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function refused(code: ErrorCode, message: string, param: string | null): ScriptRefusal {
  return { kind: 'refused', code, message, param }
}
