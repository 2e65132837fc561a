/** Finds a model's special tokens in text that people wrote, so that nobody can type a turn's end. */
import type { LlamaModel, Token } from 'node-llama-cpp'

/** GGUF's token types, `tokenizer.ggml.token_type`. */
const NORMAL = 1
const BYTE = 6
/** Files mark such tokens as normal by mistake now and then, and the engine mends that; so the engine is asked. */
const LOOKS_SPECIAL = /^[<[]|[>\]|]$/

export function vocabularySize(model: LlamaModel): number {
  return model.fileInfo.metadata.tokenizer.ggml.tokens.length
}

/** Matches any special token's text; undefined where the model has none. */
export function specialTokenPattern(model: LlamaModel): RegExp | undefined {
  const { tokens, token_type: types } = model.fileInfo.metadata.tokenizer.ggml
  const texts: string[] = []
  for (let id = 0; id < tokens.length; id += 1) {
    const text = tokens[id] ?? ''
    if (text === '' || types?.[id] === BYTE) continue
    if (types?.[id] === NORMAL && !LOOKS_SPECIAL.test(text)) continue
    const attributes = model.getTokenAttributes(id as Token)
    if (attributes.control || attributes.unknown) texts.push(text)
  }
  if (texts.length === 0) return undefined
  // The longest first, since one may begin with another.
  texts.sort((a, b) => b.length - a.length)
  return new RegExp(texts.map(escaped).join('|'), 'gu')
}

function escaped(text: string): string {
  return text.replaceAll(/[$()*+.?[\\\]^{|}/-]/g, String.raw`\$&`)
}
