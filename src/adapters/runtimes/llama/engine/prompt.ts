/** Makes the tokens of a prompt from what the client sent. */
import type { LlamaModel, Token } from 'node-llama-cpp'
import { HeddleError } from '../../../../core/errors.ts'
import type { ChatTemplate, TemplateMessage } from './chat-template.ts'
import { type Body, isObject, type TextOrTokens, wrongField } from './fields.ts'
import { vocabularySize } from './special-tokens.ts'

interface PromptDeps {
  readonly model: LlamaModel
  readonly template: ChatTemplate
  readonly specials: RegExp | undefined
}

/** Private-use characters; one that no message holds marks the places of text that must stay text. */
const FIRST_MARK = 0xe0_00
const LAST_MARK = 0xf8_ff

/**
 * The prompt of a chat. A last message of the assistant is continued, not answered.
 * Text that spells a special token stays text wherever a person wrote it.
 */
export function chatPrompt({ model, template, specials }: PromptDeps, body: Body): Token[] {
  const messages = messagesOf(body)
  const marker = new Marker(specials, messages)
  const marked = messages.map((message) => marker.mark(message))
  const last = marked.at(-1)
  const prefill = last?.role === 'assistant' && marked.length > 1 ? last.content : ''
  const rendered = template.render(prefill === '' ? marked : marked.slice(0, -1)) + prefill
  return withBeginning(model, tokensOf(model, marker.split(rendered)))
}

/** The prompt of a plain completion: special tokens in it count, since this is how they are reached. */
export function completionPrompt(model: LlamaModel, prompt: TextOrTokens): Token[] {
  if (typeof prompt === 'string') {
    const tokens = withBeginning(model, model.tokenize(prompt, true))
    if (tokens.length === 0) throw wrongField('prompt', 'at least one token long')
    return tokens
  }
  return checkedTokens(model, prompt, 'prompt')
}

/** Token ids from a client, which native code would not check. */
export function checkedTokens(model: LlamaModel, ids: readonly number[], param: string): Token[] {
  const size = vocabularySize(model)
  if (ids.some((id) => id >= size))
    throw wrongField(param, `tokens below ${size}, which is the size of the model's vocabulary`)
  return [...ids] as Token[]
}

function withBeginning(model: LlamaModel, tokens: Token[]): Token[] {
  const { bos, shouldPrependBosToken } = model.tokens
  return shouldPrependBosToken && bos !== null && tokens[0] !== bos ? [bos, ...tokens] : tokens
}

/** Text, and whether special tokens count in it. */
type Piece = readonly [text: string, special: boolean]

function tokensOf(model: LlamaModel, pieces: readonly Piece[]): Token[] {
  // Only the first piece may get the space that some tokenizers put before a text.
  return pieces.flatMap(([text, special], index) =>
    index === 0 ? model.tokenize(text, special) : model.tokenize(text, special, 'trimLeadingSpace'),
  )
}

/** Replaces the special tokens that messages spell by marks before rendering, and finds the marks afterwards. */
class Marker {
  readonly #specials: RegExp | undefined
  readonly #mark: string
  readonly #originals: string[] = []

  constructor(specials: RegExp | undefined, messages: readonly TemplateMessage[]) {
    this.#specials = specials
    this.#mark = unusedCharacter(messages.map(({ content, name }) => content + (name ?? '')).join(''))
  }

  mark({ role, content, name }: TemplateMessage): TemplateMessage {
    return { role, content: this.#markText(content), ...(name === undefined ? {} : { name: this.#markText(name) }) }
  }

  split(rendered: string): Piece[] {
    if (this.#originals.length === 0) return [[rendered, true]]
    const parts = rendered.split(new RegExp(`${this.#mark}(\\d+)${this.#mark}`, 'u'))
    return parts
      .map((part, index): Piece => (index % 2 === 0 ? [part, true] : [this.#originals[Number(part)] ?? '', false]))
      .filter(([text]) => text !== '')
  }

  #markText(text: string): string {
    if (this.#specials === undefined) return text
    return text.replace(this.#specials, (special) => `${this.#mark}${this.#originals.push(special) - 1}${this.#mark}`)
  }
}

function unusedCharacter(text: string): string {
  for (let code = FIRST_MARK; code <= LAST_MARK; code += 1) {
    const character = String.fromCharCode(code)
    if (!text.includes(character)) return character
  }
  throw new HeddleError('invalid_request', 'the messages use every private-use character', { param: 'messages' })
}

function messagesOf(body: Body): TemplateMessage[] {
  const { messages } = body
  if (!Array.isArray(messages) || messages.length === 0)
    throw wrongField('messages', 'an array with at least one message')
  return messages.map((message: unknown, index) => messageOf(message, `messages[${index}]`))
}

function messageOf(message: unknown, path: string): TemplateMessage {
  if (!isObject(message) || typeof message.role !== 'string') throw wrongField(path, 'an object with a role')
  if (message.tool_calls !== undefined && message.tool_calls !== null) {
    throw new HeddleError('unsupported_parameter', 'this runtime does not know tool calls', {
      param: `${path}.tool_calls`,
    })
  }
  const name = typeof message.name === 'string' ? message.name : undefined
  return {
    // Templates know only the older word.
    role: message.role === 'developer' ? 'system' : message.role,
    content: contentOf(message.content, `${path}.content`),
    ...(name === undefined ? {} : { name }),
  }
}

function contentOf(content: unknown, path: string): string {
  if (typeof content === 'string') return content
  if (content === null || content === undefined) return ''
  if (!Array.isArray(content)) throw wrongField(path, 'a string or an array of parts')
  return content
    .map((part: unknown) => {
      if (isObject(part) && part.type === 'text' && typeof part.text === 'string') return part.text
      throw new HeddleError('unsupported_parameter', 'this model takes text only', { param: path })
    })
    .join('')
}
