/** Renders the chat template that a model file carries. The file is not trusted: rendering is bounded in time and size. */
import { type Context, createContext, Script } from 'node:vm'
import { Template } from '@huggingface/jinja'
import { HeddleError } from '../../../../core/errors.ts'
import { limit } from '../../../../core/limits.ts'

/** A message as templates know it. */
export interface TemplateMessage {
  readonly role: string
  readonly content: string
  readonly name?: string
}

export interface TemplateTokens {
  readonly bos: string
  readonly eos: string
}

const RUN = new Script('run()')

export class ChatTemplate {
  readonly #template: Template
  readonly #tokens: TemplateTokens
  readonly #context: Context & { run?: () => void } = createContext({})
  /** Runs in a row that were stopped. */
  #timeouts = 0

  /** Throws `internal` where the template does not parse. */
  constructor(source: string, tokens: TemplateTokens) {
    this.#tokens = tokens
    if (source.length > limit('templateCharacters'))
      throw new HeddleError('internal', 'the chat template of the model is too long')
    this.#template = this.#bounded(() => new Template(source), 'cannot be read')
  }

  /** The prompt up to where the assistant speaks. */
  render(messages: readonly TemplateMessage[]): string {
    const text = this.#bounded(
      () =>
        this.#template.render({
          messages,
          add_generation_prompt: true,
          bos_token: this.#tokens.bos,
          eos_token: this.#tokens.eos,
          // Templates ask `tools is not none`, as Python calls them.
          tools: null,
          documents: null,
        }),
      'refused these messages, for example a role or an order that it does not know',
    )
    if (text.length > limit('promptCharacters'))
      throw new HeddleError('internal', 'the chat template of the model made too long a prompt')
    return text
  }

  /** Runs `work` under a watchdog that stops even an endless loop: V8 ends whatever runs below the script. */
  #bounded<T>(work: () => T, failure: string): T {
    if (this.#timeouts >= limit('templateTimeouts')) throw tooSlow(undefined)
    let result: { readonly value: T } | undefined
    this.#context.run = () => {
      result = { value: work() }
    }
    try {
      RUN.runInContext(this.#context, { timeout: limit('templateRenderMs') })
      this.#timeouts = 0
    } catch (cause) {
      const stopped = (cause as { code?: unknown } | null)?.code === 'ERR_SCRIPT_EXECUTION_TIMEOUT'
      this.#timeouts = stopped ? this.#timeouts + 1 : 0
      if (stopped) throw tooSlow(cause)
      // Its own words may quote the messages.
      throw new HeddleError('invalid_request', `the chat template of the model ${failure}`, {
        cause,
        param: 'messages',
      })
    } finally {
      delete this.#context.run
    }
    if (result === undefined) throw new HeddleError('internal', 'the chat template of the model did not run')
    return result.value
  }
}

function tooSlow(cause: unknown): HeddleError {
  return new HeddleError('internal', 'the chat template of the model takes too long', { cause })
}
