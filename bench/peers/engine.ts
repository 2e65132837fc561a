/** The engine of the `llama` runtime called directly in this process: what the model can do with nothing in between. */
import type { LlamaContext, LlamaContextSequence, LlamaModel, Token } from 'node-llama-cpp'
import { openEngine } from '../../src/adapters/runtimes/llama/engine/library.ts'

export interface EngineOptions {
  readonly modelPath: string
  readonly sequences: number
  readonly contextTokens: number
  readonly threads: number
}

export interface EngineAnswer {
  readonly text: string
  readonly tokens: number
}

export class InProcessEngine implements AsyncDisposable {
  readonly #model: LlamaModel
  readonly #context: LlamaContext
  readonly #sequences: readonly LlamaContextSequence[]

  private constructor(model: LlamaModel, context: LlamaContext, sequences: readonly LlamaContextSequence[]) {
    this.#model = model
    this.#context = context
    this.#sequences = sequences
  }

  static async open({ modelPath, sequences, contextTokens, threads }: EngineOptions): Promise<InProcessEngine> {
    const { llama } = await openEngine({
      engine: 'node-llama-cpp',
      gpu: 'cpu',
      threads,
      sequences,
      models: [],
      loadedModels: 1,
      socketPath: '',
    })
    const model = await llama.loadModel({ modelPath })
    const context = await model.createContext({ sequences, contextSize: { max: contextTokens } })
    return new InProcessEngine(
      model,
      context,
      Array.from({ length: sequences }, () => context.getSequence()),
    )
  }

  /** Greedy text after `prompt` on one sequence; what the sequence still holds of the prompt is used again, as a server does. */
  async complete(sequence: number, prompt: string, maxTokens: number): Promise<EngineAnswer> {
    const slot = this.#sequences[sequence]
    if (slot === undefined) throw new Error(`there is no sequence ${sequence}`)
    const tokens = this.#model.tokenize(prompt, true)
    const { bos, shouldPrependBosToken } = this.#model.tokens
    if (shouldPrependBosToken && bos !== null) tokens.unshift(bos)
    const shared = Math.min(slot.compareContextTokens(tokens).firstDifferentIndex, tokens.length - 1)
    await slot.eraseContextTokenRanges([{ start: shared, end: slot.nextTokenIndex }])
    const generated: Token[] = []
    for await (const token of slot.evaluate(tokens.slice(shared), { temperature: 0 })) {
      generated.push(token)
      if (generated.length >= maxTokens) break
    }
    return { text: this.#model.detokenize(generated), tokens: generated.length }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#context.dispose()
    await this.#model.dispose()
  }
}

/** A conversation of one question in ChatML, which is the template of the embedded model. */
export function chatMl(system: string, user: string): string {
  return `<|im_start|>system\n${system}<|im_end|>\n<|im_start|>user\n${user}<|im_end|>\n<|im_start|>assistant\n`
}
