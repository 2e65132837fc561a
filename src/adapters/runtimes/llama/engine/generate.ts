/** Generates one choice of an answer: prompt into a sequence, token after token out of it, until something ends it. */
import type { LlamaContextSequence, LlamaGrammar, LlamaModel, Token } from 'node-llama-cpp'
import { HeddleError } from '../../../../core/errors.ts'
import type { EngineLibrary } from './library.ts'
import type { Generation } from './loaded-model.ts'
import { logprobOf, type TokenLogprob } from './logprobs.ts'
import { evaluateOptions, type Sampling } from './sampling.ts'
import { StopStrings } from './stop-strings.ts'
import { TokenText } from './token-text.ts'

export interface ChoicePlan {
  readonly index: number
  /** Among the choices of the same prompt, from 0. */
  readonly number: number
  readonly prompt: readonly Token[]
  /** At most this many tokens; absent means as many as fit. */
  readonly maxTokens: number | undefined
  readonly sampling: Sampling
  readonly stops: readonly string[]
  readonly grammar: LlamaGrammar | undefined
  /** Rivals to report with each token; absent means no log probabilities at all. */
  readonly logprobs: number | undefined
}

export interface ChoiceEnd {
  readonly finishReason: 'stop' | 'length'
  readonly completionTokens: number
  readonly cachedTokens: number
}

export interface ChoiceSink {
  /** Text as it comes; never part of a character nor of a stop string. A promise asks to wait. */
  readonly push: (text: string, tokens: readonly TokenLogprob[]) => Promise<void> | undefined
}

interface GenerateDeps {
  readonly library: EngineLibrary
  readonly model: LlamaModel
  readonly generation: Generation
}

/** Throws `context_length_exceeded` where the prompt leaves no room for an answer. */
export function checkLength({ contextTokens }: Generation, prompt: readonly Token[], param: string): void {
  if (prompt.length < contextTokens) return
  throw new HeddleError(
    'context_length_exceeded',
    `This model's maximum context length is ${contextTokens} tokens. However, your ${param} resulted in ${prompt.length} tokens. Please reduce the length of the ${param}.`,
    { param, metadata: { promptTokens: prompt.length, contextTokens } },
  )
}

export async function generateChoice(
  deps: GenerateDeps,
  plan: ChoicePlan,
  sink: ChoiceSink,
  { signal }: { readonly signal: AbortSignal },
): Promise<ChoiceEnd> {
  const { prompt } = plan
  const { slots, contextTokens } = deps.generation
  const maxTokens = Math.min(plan.maxTokens ?? contextTokens, contextTokens - prompt.length)
  if (maxTokens === 0) return { finishReason: 'length', completionTokens: 0, cachedTokens: 0 }
  using slot = await slots.acquire(prompt, { signal })
  const { sequence, cachedTokens } = slot
  try {
    await forgetFrom(sequence, cachedTokens)
    // What the engine could not keep is evaluated again.
    const kept = Math.min(cachedTokens, sequence.nextTokenIndex)
    const last = await evaluatePrompt(deps, sequence, prompt.slice(kept), { signal })
    const end = await generateTokens(deps, { plan, sequence, last, maxTokens }, sink, { signal })
    return { ...end, cachedTokens: kept }
  } catch (error) {
    // After a failure of the engine nobody knows what the sequence holds.
    if (!signal.aborted && !(error instanceof HeddleError)) await slot.renew()
    throw error
  }
}

async function forgetFrom(sequence: LlamaContextSequence, index: number): Promise<void> {
  if (sequence.nextTokenIndex > index)
    await sequence.eraseContextTokenRanges([{ start: index, end: sequence.nextTokenIndex }])
}

/** Evaluates all but the last step of the prompt, looking between steps whether the client is still there; returns that step. */
async function evaluatePrompt(
  { library }: GenerateDeps,
  sequence: LlamaContextSequence,
  tokens: readonly Token[],
  { signal }: { readonly signal: AbortSignal },
): Promise<Token[]> {
  const step = library.promptStepTokens
  let at = 0
  for (; tokens.length - at > step; at += step) {
    await sequence.evaluateWithoutGeneratingNewTokens(tokens.slice(at, at + step))
    signal.throwIfAborted()
  }
  return tokens.slice(at)
}

interface Step {
  readonly token: Token
  readonly probabilities?: ReadonlyMap<Token, number>
}

interface Work {
  readonly plan: ChoicePlan
  readonly sequence: LlamaContextSequence
  /** The end of the prompt, not yet evaluated. */
  readonly last: Token[]
  readonly maxTokens: number
}

async function generateTokens(
  { library, model }: GenerateDeps,
  { plan, sequence, last, maxTokens }: Work,
  sink: ChoiceSink,
  { signal }: { readonly signal: AbortSignal },
): Promise<Omit<ChoiceEnd, 'cachedTokens'>> {
  const generated: Token[] = []
  const output = new ChoiceOutput(model, plan, sink)
  const options = evaluateOptions({ library, model }, plan.sampling, {
    choice: plan.number,
    prompt: plan.prompt,
    generated,
    maxTokens,
    grammar: plan.grammar,
  })
  const steps: AsyncIterable<Step> =
    plan.logprobs === undefined
      ? sequence.evaluateWithMetadata(last, {}, options)
      : sequence.evaluateWithMetadata(last, { probabilities: true }, options)
  for await (const { token, probabilities } of steps) {
    signal.throwIfAborted()
    generated.push(token)
    const waiting = output.push(token, probabilities)
    if (output.stopped) return { finishReason: 'stop', completionTokens: generated.length }
    if (waiting !== undefined) await waiting
    if (generated.length === maxTokens) {
      await output.end()
      return { finishReason: output.stopped ? 'stop' : 'length', completionTokens: generated.length }
    }
  }
  await output.end()
  return { finishReason: 'stop', completionTokens: generated.length }
}

/** Token to text to what may be shown, with the log probabilities of exactly the tokens that are. */
class ChoiceOutput {
  readonly #model: LlamaModel
  readonly #plan: ChoicePlan
  readonly #sink: ChoiceSink
  readonly #text: TokenText
  readonly #stops: StopStrings
  /** Tokens whose text is held back, and where in the answer each ends. */
  readonly #held: { readonly token: TokenLogprob; readonly end: number }[] = []
  #decoded = 0
  #shown = 0
  stopped = false

  constructor(model: LlamaModel, plan: ChoicePlan, sink: ChoiceSink) {
    this.#model = model
    this.#plan = plan
    this.#sink = sink
    this.#text = new TokenText(model, plan.prompt)
    this.#stops = new StopStrings(plan.stops)
  }

  push(token: Token, probabilities: ReadonlyMap<Token, number> | undefined): Promise<void> | undefined {
    const text = this.#text.push(token)
    this.#decoded += text.length
    if (this.#plan.logprobs !== undefined && probabilities !== undefined) {
      const options = { temperature: this.#plan.sampling.temperature, top: this.#plan.logprobs }
      this.#held.push({ token: logprobOf(this.#model, token, probabilities, options), end: this.#decoded })
    }
    const verdict = this.#stops.push(text)
    this.stopped = verdict.stopped
    return this.#show(verdict.text)
  }

  async end(): Promise<void> {
    const rest = this.#stops.push(this.#text.flush())
    this.stopped = rest.stopped
    await this.#show(rest.stopped ? rest.text : rest.text + this.#stops.flush(), !rest.stopped)
  }

  #show(text: string, all = false): Promise<void> | undefined {
    this.#shown += text.length
    let ready = 0
    while (ready < this.#held.length && (all || (this.#held[ready]?.end ?? Number.MAX_SAFE_INTEGER) <= this.#shown))
      ready += 1
    const tokens = this.#held.splice(0, ready).map(({ token }) => token)
    return text === '' && tokens.length === 0 ? undefined : this.#sink.push(text, tokens)
  }
}
