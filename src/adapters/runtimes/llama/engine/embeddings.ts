/** Answers `/v1/embeddings`. */
import type { LlamaModel, Token } from 'node-llama-cpp'
import { HeddleError } from '../../../../core/errors.ts'
import { type Exchange, sendJson } from './exchange.ts'
import { type Body, textField, textsField, wrongField } from './fields.ts'
import type { LoadedModel } from './loaded-model.ts'
import { checkedTokens } from './prompt.ts'

const MAX_INPUTS = 2_048

export async function answerEmbeddings(loaded: LoadedModel, body: Body, { response, signal }: Exchange): Promise<void> {
  if (body.dimensions !== undefined && body.dimensions !== null) {
    throw new HeddleError('unsupported_parameter', 'this runtime cannot shorten embeddings', { param: 'dimensions' })
  }
  const encoding = textField(body, 'encoding_format') ?? 'float'
  if (encoding !== 'float' && encoding !== 'base64') throw wrongField('encoding_format', '"float" or "base64"')
  const { model } = loaded
  const inputs = textsField(body, 'input', MAX_INPUTS).map((input) => inputTokens(model, input))
  const { context, contextTokens } = await loaded.embedding()
  const lengths = inputs.map((tokens) => {
    const length = context.calculateInputLength(tokens)
    if (length < contextTokens) return length
    throw new HeddleError(
      'context_length_exceeded',
      `This model's maximum context length is ${contextTokens} tokens. However, an input has ${length} tokens.`,
      {
        param: 'input',
        metadata: { promptTokens: length, contextTokens },
      },
    )
  })
  const data: object[] = []
  for (const [index, tokens] of inputs.entries()) {
    signal.throwIfAborted()
    const { vector } = await context.getEmbeddingFor(tokens)
    const unit = unitVector(vector)
    data.push({ object: 'embedding', index, embedding: encoding === 'base64' ? base64Of(unit) : [...unit] })
  }
  const promptTokens = lengths.reduce((sum, length) => sum + length, 0)
  const usage = { prompt_tokens: promptTokens, total_tokens: promptTokens }
  sendJson(response, 200, JSON.stringify({ object: 'list', data, model: loaded.id, usage }))
}

/** Special tokens that a text spells stay text. */
function inputTokens(model: LlamaModel, input: string | readonly number[]): Token[] {
  const tokens = typeof input === 'string' ? model.tokenize(input, false) : checkedTokens(model, input, 'input')
  if (tokens.length === 0) throw wrongField('input', 'a text that is not empty')
  return tokens
}

/** Of length one, as OpenAI's are, in the precision that base64 has too. */
function unitVector(vector: readonly number[]): Float32Array {
  const length = Math.hypot(...vector)
  return Float32Array.from(vector, (value) => (length === 0 ? 0 : value / length))
}

/** Little-endian 32-bit floats, whatever the machine's order. */
function base64Of(vector: Float32Array): string {
  const bytes = Buffer.allocUnsafe(vector.length * Float32Array.BYTES_PER_ELEMENT)
  for (const [index, value] of vector.entries()) bytes.writeFloatLE(value, index * Float32Array.BYTES_PER_ELEMENT)
  return bytes.toString('base64')
}
