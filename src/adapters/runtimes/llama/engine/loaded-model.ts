/** One model in memory with everything that requests need of it; contexts are made when first used. */
import type { LlamaEmbeddingContext, LlamaGrammar, LlamaModel } from 'node-llama-cpp'
import { HeddleError } from '../../../../core/errors.ts'
import { ChatTemplate } from './chat-template.ts'
import type { EngineLibrary } from './library.ts'
import type { EngineModel } from './messages.ts'
import { Slots } from './slots.ts'
import { specialTokenPattern } from './special-tokens.ts'

interface LoadedModelDeps {
  readonly library: EngineLibrary
  /** Called when the size of the context is known. */
  readonly onContext: () => void
}

/** What the sequences of a model share. */
export interface Generation {
  readonly slots: Slots
  /** Prompt and answer of one request together. */
  readonly contextTokens: number
}

export interface Embedding {
  readonly context: LlamaEmbeddingContext
  readonly contextTokens: number
}

/** Longer contexts cost memory for every sequence, so they are chosen by whoever configures the model. */
const DEFAULT_CONTEXT_TOKENS = 8_192
const KEPT_GRAMMARS = 32

export class LoadedModel implements AsyncDisposable {
  readonly id: string
  readonly model: LlamaModel
  readonly library: EngineLibrary
  readonly #onContext: () => void
  #contextTokens: number
  readonly #sequences: number
  /** Least recently used first. */
  readonly #grammars = new Map<string, Promise<LlamaGrammar>>()
  #generation: Promise<Generation> | undefined
  #embedding: Promise<Embedding> | undefined
  #chat: { readonly template: ChatTemplate; readonly specials: RegExp | undefined } | undefined

  private constructor(deps: LoadedModelDeps, { id, contextTokens }: EngineModel, model: LlamaModel, sequences: number) {
    this.id = id
    this.model = model
    this.library = deps.library
    this.#onContext = deps.onContext
    this.#sequences = sequences
    this.#contextTokens = contextTokens ?? Math.min(model.trainContextSize, DEFAULT_CONTEXT_TOKENS)
  }

  static async open(deps: LoadedModelDeps, model: EngineModel, sequences: number): Promise<LoadedModel> {
    const loaded = await deps.library.llama.loadModel({ modelPath: model.path })
    return new LoadedModel(deps, model, loaded, sequences)
  }

  /** Prompt and answer together; less than was asked for where memory was short. */
  get contextTokens(): number {
    return this.#contextTokens
  }

  /** Whether its hidden states are meant to be pooled; native code would abort if such a model were to write. */
  get isEmbeddingModel(): boolean {
    return this.model.fileInfo.architectureMetadata.pooling_type !== undefined
  }

  generation(): Promise<Generation> {
    if (this.isEmbeddingModel) {
      return Promise.reject(new HeddleError('invalid_request', 'this model only makes embeddings', { param: 'model' }))
    }
    this.#generation ??= this.#openGeneration().catch((cause: unknown) => {
      this.#generation = undefined
      throw new HeddleError('runtime_unavailable', 'there is not enough memory for the context of this model', {
        cause,
      })
    })
    return this.#generation
  }

  embedding(): Promise<Embedding> {
    this.#embedding ??= this.#openEmbedding().catch((cause: unknown) => {
      this.#embedding = undefined
      throw new HeddleError('runtime_unavailable', 'this model cannot make embeddings here', { cause })
    })
    return this.#embedding
  }

  /** The parts that chats need; throws where the file has no template. */
  chat(): { readonly template: ChatTemplate; readonly specials: RegExp | undefined } {
    if (this.#chat === undefined) {
      const source = this.model.fileInfo.metadata.tokenizer.chat_template
      if (typeof source !== 'string' || source === '') {
        throw new HeddleError('invalid_request', 'this model has no chat template; use /v1/completions', {
          param: 'model',
        })
      }
      const { bosString, eosString } = this.model.tokens
      this.#chat = {
        template: new ChatTemplate(source, { bos: bosString ?? '', eos: eosString ?? '' }),
        specials: specialTokenPattern(this.model),
      }
    }
    return this.#chat
  }

  /** The engine's form of a grammar; the latest are kept. */
  grammar(text: string): Promise<LlamaGrammar> {
    const known = this.#grammars.get(text)
    this.#grammars.delete(text)
    const grammar =
      known ??
      this.library.llama.createGrammar({ grammar: text }).catch((cause: unknown) => {
        this.#grammars.delete(text)
        throw new HeddleError('invalid_request', 'the JSON schema makes no usable grammar', {
          cause,
          param: 'response_format',
        })
      })
    this.#grammars.set(text, grammar)
    const [oldest] = this.#grammars.keys()
    if (this.#grammars.size > KEPT_GRAMMARS && oldest !== undefined) this.#grammars.delete(oldest)
    return grammar
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // Disposing the model disposes its contexts.
    await this.model.dispose()
  }

  async #openGeneration(): Promise<Generation> {
    const sequences = this.#sequences
    const context = await this.model.createContext({ sequences, contextSize: { max: this.#contextTokens } })
    const contextTokens = Math.min(context.contextSize, this.#contextTokens)
    this.#contextTokens = contextTokens
    this.#onContext()
    return { slots: new Slots(context), contextTokens }
  }

  async #openEmbedding(): Promise<Embedding> {
    const size = this.#contextTokens
    // A pooled embedding needs its whole input in one batch; native code aborts otherwise.
    const context = await this.model.createEmbeddingContext({ contextSize: { max: size }, batchSize: size })
    return { context, contextTokens: size }
  }
}
