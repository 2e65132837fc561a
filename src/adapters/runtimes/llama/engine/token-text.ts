/** Turns tokens into text as they come, never splitting a character. */
import type { LlamaModel, Token } from 'node-llama-cpp'

/** What an incomplete UTF-8 sequence decodes to. */
const REPLACEMENT = '\u{FFFD}'
/** A character has at most four bytes; what is still broken after this many tokens stays broken. */
const MOST_PENDING = 8
/** Tokens before the new ones that tell the tokenizer whether a space belongs between. */
const CONTEXT_TOKENS = 4

export class TokenText {
  readonly #model: LlamaModel
  #context: readonly Token[]
  #pending: Token[] = []

  /** @param prompt what comes before the first token */
  constructor(model: LlamaModel, prompt: readonly Token[]) {
    this.#model = model
    this.#context = prompt.slice(-CONTEXT_TOKENS)
  }

  /** The text that `token` completes; empty while a character is still in parts. */
  push(token: Token): string {
    this.#pending.push(token)
    const text = this.#model.detokenize(this.#pending, false, this.#context)
    if (text.endsWith(REPLACEMENT) && this.#pending.length < MOST_PENDING) return ''
    this.#settle()
    return text
  }

  /** What was held back, at the end. */
  flush(): string {
    if (this.#pending.length === 0) return ''
    const text = this.#model.detokenize(this.#pending, false, this.#context)
    this.#settle()
    return text
  }

  #settle(): void {
    this.#context =
      this.#pending.length >= CONTEXT_TOKENS
        ? this.#pending
        : [...this.#context, ...this.#pending].slice(-CONTEXT_TOKENS)
    this.#pending = []
  }
}
