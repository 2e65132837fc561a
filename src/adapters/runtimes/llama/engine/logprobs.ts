/** Log probabilities of chosen tokens and their rivals, in the two shapes that OpenAI's API has for them. */
import type { LlamaModel, Token } from 'node-llama-cpp'

export interface RankedToken {
  readonly text: string
  readonly logprob: number
}

export interface TokenLogprob extends RankedToken {
  readonly top: readonly RankedToken[]
}

/** OpenAI's number for "never". */
const NEVER = -9999
const REPLACEMENT = '\u{FFFD}'

/**
 * The engine's probabilities come after its temperature; this undoes that, so that they are the model's own:
 * with p = softmax(x / T), softmax(x) = p^T / Σ p^T. What `top_p`, `top_k` or `min_p` cut away stays away.
 * @param probabilities most probable first
 */
export function logprobOf(
  model: LlamaModel,
  token: Token,
  probabilities: ReadonlyMap<Token, number>,
  { temperature, top }: { readonly temperature: number; readonly top: number },
): TokenLogprob {
  const power = temperature === 0 ? 1 : temperature
  let logSum = 0
  if (power !== 1) {
    let sum = 0
    for (const probability of probabilities.values()) sum += probability ** power
    logSum = Math.log(sum)
  }
  const rank = (id: Token, probability: number): RankedToken => ({
    text: model.detokenize([id], true),
    logprob: probability > 0 ? Math.min(0, power * Math.log(probability) - logSum) : NEVER,
  })
  const rivals: RankedToken[] = []
  if (top > 0) {
    for (const [id, probability] of probabilities) {
      rivals.push(rank(id, probability))
      if (rivals.length === top) break
    }
  }
  return { ...rank(token, probabilities.get(token) ?? 0), top: rivals }
}

/** `choices[].logprobs` of a chat. */
export function chatLogprobs(tokens: readonly TokenLogprob[]): object {
  return {
    content: tokens.map((token) => ({ ...chatToken(token), top_logprobs: token.top.map(chatToken) })),
    refusal: null,
  }
}

function chatToken({ text, logprob }: RankedToken): object {
  // Part of a character has no text of its own, and its bytes are lost in this form.
  const bytes = text.includes(REPLACEMENT) ? null : [...Buffer.from(text)]
  return { token: text, logprob, bytes }
}

/** `choices[].logprobs` of a completion. @param offset characters of the answer before these tokens */
export function completionLogprobs(tokens: readonly TokenLogprob[], offset: number): object {
  const offsets: number[] = []
  let at = offset
  for (const { text } of tokens) {
    offsets.push(at)
    at += text.length
  }
  return {
    tokens: tokens.map(({ text }) => text),
    token_logprobs: tokens.map(({ logprob }) => logprob),
    top_logprobs: tokens.map(({ top }) => Object.fromEntries(top.map(({ text, logprob }) => [text, logprob]))),
    text_offset: offsets,
  }
}
