/** A conversation with a model at the terminal, with a few commands that begin with a slash. */
import { createInterface, type Interface } from 'node:readline'
import type { ModelList } from '../core/wire/admin-models.ts'
import type { ApiClient } from './api-client.ts'
import { type ChatMessage, type ChatRequest, chat } from './chat.ts'
import type { Context } from './context.ts'
import { errorLines } from './error-text.ts'
import { EXIT, type ExitCode } from './exit-codes.ts'
import { statsLine } from './stats-line.ts'
import { printable } from './terminal.ts'

export interface Conversation extends Omit<ChatRequest, 'messages'> {
  readonly system: string | undefined
  readonly stats: boolean
}

const HELP = `  /model <id>      go on with another model        /models   which there are
  /system <text>   set the system message          /clear    forget the conversation
  /stats           time and tokens on or off       /exit     leave (also Ctrl+D)
  """              begins and ends a text of several lines
  Ctrl+C stops an answer; at the prompt it leaves.`

/** Lasts until the person leaves. */
export async function converse(context: Context, client: ApiClient, start: Conversation): Promise<ExitCode> {
  const { terminal, stdin } = context
  const talk = new Talk(context, client, start)
  const reader = createInterface({ input: stdin, output: process.stdout, prompt: '>>> ' })
  const answering = new AnswerSwitch()
  reader.on('SIGINT', () => {
    if (!answering.stop()) reader.close()
  })
  terminal.note(terminal.paintNote('dim', `${start.model} · /help for commands, /exit to leave`))
  reader.prompt()
  for await (const text of messagesOf(reader)) {
    const leave = await answering.during((signal) => talk.take(text, AbortSignal.any([signal, context.signal])))
    context.signal.throwIfAborted()
    if (leave) break
    reader.setPrompt('>>> ')
    reader.prompt()
  }
  reader.close()
  terminal.line()
  return EXIT.ok
}

/** Lets Ctrl+C end the answer that is under way, if one is. */
class AnswerSwitch {
  #controller: AbortController | undefined

  /** Whether there was something to stop. */
  stop(): boolean {
    this.#controller?.abort()
    return this.#controller !== undefined
  }

  async during<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    this.#controller = new AbortController()
    try {
      return await work(this.#controller.signal)
    } finally {
      this.#controller = undefined
    }
  }
}

/** Lines, with those between `"""` joined to one message. */
async function* messagesOf(reader: Interface): AsyncGenerator<string> {
  let several: string[] | undefined
  for await (const line of reader) {
    if (several !== undefined) {
      const end = line.indexOf('"""')
      several.push(end < 0 ? line : line.slice(0, end))
      if (end >= 0) {
        yield several.join('\n')
        several = undefined
      }
    } else if (line.startsWith('"""') && !line.slice(3).includes('"""')) {
      several = [line.slice(3)]
      reader.setPrompt('... ')
      reader.prompt()
    } else {
      yield line.replaceAll('"""', '')
    }
  }
}

/** What has been said, and what the slash commands change. */
class Talk {
  readonly #context: Context
  readonly #client: ApiClient
  #settings: Conversation
  #messages: ChatMessage[] = []

  constructor(context: Context, client: ApiClient, settings: Conversation) {
    this.#context = context
    this.#client = client
    this.#settings = settings
  }

  /** Handles one message or command; true to leave. */
  async take(text: string, signal: AbortSignal): Promise<boolean> {
    const [, name, rest = ''] = /^\/(\S*)\s*(.*)$/s.exec(text.trim()) ?? []
    if (text.trim() === '') return false
    if (name === 'exit' || name === 'bye' || name === 'quit') return true
    try {
      if (name === undefined) await this.#ask(text, signal)
      else await this.#command(name, rest.trim(), signal)
    } catch (error) {
      this.#context.signal.throwIfAborted()
      if (signal.aborted) this.#context.terminal.note('\n(stopped)')
      else this.#showError(error)
    }
    return false
  }

  async #ask(text: string, signal: AbortSignal): Promise<void> {
    const { terminal } = this.#context
    const { system, stats, model } = this.#settings
    const asked: ChatMessage[] = [...this.#messages, { role: 'user', content: text }]
    const messages: ChatMessage[] = system === undefined ? asked : [{ role: 'system', content: system }, ...asked]
    const result = await chat(
      this.#client,
      { ...this.#settings, messages },
      {
        signal,
        onText: (piece) => terminal.stdout.write(printable(piece)),
      },
    )
    terminal.line()
    if (stats) terminal.note(terminal.paintNote('dim', statsLine(model, result)))
    // Only whole answers are remembered: a broken one would teach the model to break off.
    this.#messages = [...asked, { role: 'assistant', content: result.text }]
  }

  async #command(name: string, rest: string, signal: AbortSignal): Promise<void> {
    const { terminal } = this.#context
    switch (name) {
      case 'clear':
        this.#messages = []
        return terminal.note('forgotten')
      case 'model':
        if (rest === '') return terminal.note(this.#settings.model)
        this.#settings = { ...this.#settings, model: rest }
        return terminal.note(`now ${rest}`)
      case 'models': {
        const { models } = await this.#client.document<ModelList>('/api/v1/models', 'heddle.models/v1', { signal })
        return terminal.note(
          models
            .filter(({ state }) => state === 'ready')
            .map(({ id }) => printable(id))
            .join('\n'),
        )
      }
      case 'system':
        this.#settings = { ...this.#settings, system: rest === '' ? undefined : rest }
        return terminal.note(rest === '' ? 'no system message' : 'system message set')
      case 'stats':
        this.#settings = { ...this.#settings, stats: !this.#settings.stats }
        return terminal.note(`stats ${this.#settings.stats ? 'on' : 'off'}`)
      case 'help':
      case '?':
        return terminal.note(HELP)
      default:
        return terminal.note(`there is no /${printable(name)}; /help lists what there is`)
    }
  }

  #showError(error: unknown): void {
    const { terminal, env, options } = this.#context
    for (const line of errorLines(error, { env, stacks: options.trace === true }, terminal.paintNote))
      terminal.note(line)
  }
}
