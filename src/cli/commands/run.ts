/** `heddle run`: asks a model once, with a prompt or a pipe, or holds a conversation. */
import { fstatSync, readFileSync } from 'node:fs'
import { HeddleError } from '../../core/errors.ts'
import { type ChatMessage, type ChatRequest, chat } from '../chat.ts'
import type { Context } from '../context.ts'
import { EXIT, type ExitCode } from '../exit-codes.ts'
import { numberOption } from '../option-values.ts'
import { statsLine } from '../stats-line.ts'
import { printable } from '../terminal.ts'

export interface RunOptions {
  readonly system?: string
  readonly temperature?: string
  readonly maxTokens?: string
  readonly seed?: string
  readonly format: string
  readonly stats?: boolean
}

/** Whoever types into a pipe by mistake is told after this that we wait for it. */
const PIPE_NOTICE_MS = 2_000

export async function run(
  context: Context,
  model: string,
  prompt: readonly string[],
  options: RunOptions,
): Promise<ExitCode> {
  const settings = settingsOf(options)
  const text = await promptOf(context, prompt.join(' '))
  const node = await context.node()
  if (text === undefined) {
    if (context.json)
      throw new HeddleError('usage', '--json needs a prompt', { fix: 'heddle run <model> "hello" --json' })
    const { converse } = await import('../conversation.ts')
    return converse(context, node, { ...settings, model, system: options.system, stats: options.stats === true })
  }
  const messages: ChatMessage[] = [
    ...(options.system === undefined ? [] : [{ role: 'system' as const, content: options.system }]),
    { role: 'user', content: text },
  ]
  let last = ''
  const result = await chat(
    node,
    { ...settings, model, messages },
    {
      signal: context.signal,
      onText(piece) {
        last = piece
        if (!context.json) context.terminal.stdout.write(shown(context, piece))
      },
    },
  )
  if (context.json) context.document({ schema: 'heddle.run/v1', model, ...jsonOf(result) })
  else if (!last.endsWith('\n')) context.terminal.line()
  if (options.stats === true && !context.json)
    context.terminal.note(context.terminal.paintNote('dim', statsLine(model, result)))
  return EXIT.ok
}

/** A model's text must not drive a terminal; a file or a program gets it as it is. */
const shown = ({ terminal }: Context, piece: string): string =>
  terminal.stdout.isTTY === true ? printable(piece) : piece

function jsonOf(result: Awaited<ReturnType<typeof chat>>): object {
  const { text, finishReason, inputTokens, outputTokens, firstTokenMs, totalMs, node, runtime, requestId } = result
  return {
    text,
    finish_reason: finishReason,
    usage: { input_tokens: inputTokens, output_tokens: outputTokens },
    first_token_ms: firstTokenMs,
    total_ms: totalMs,
    node,
    runtime,
    request_id: requestId,
  }
}

function settingsOf(options: RunOptions): Omit<ChatRequest, 'model' | 'messages'> {
  const number = (flag: string, text: string | undefined, bounds: Parameters<typeof numberOption>[2]) =>
    text === undefined ? undefined : numberOption(flag, text, bounds)
  return {
    temperature: number('--temperature', options.temperature, { least: 0, most: 2 }),
    maxTokens: number('--max-tokens', options.maxTokens, { least: 1, whole: true }),
    seed: number('--seed', options.seed, { whole: true }),
    format: formatOf(options.format),
  }
}

function formatOf(format: string): object | undefined {
  if (format === 'text') return undefined
  if (format === 'json') return { type: 'json_object' }
  try {
    const schema: unknown = JSON.parse(readFileSync(format, 'utf8'))
    return { type: 'json_schema', json_schema: { name: 'answer', strict: true, schema } }
  } catch (cause) {
    throw new HeddleError('usage', `--format takes text, json or a file with a JSON schema; got "${format}"`, {
      cause,
      param: '--format',
    })
  }
}

/** What to ask: the prompt, the pipe, or both; undefined for a conversation. */
async function promptOf(context: Context, prompt: string): Promise<string | undefined> {
  if (prompt !== '' && !pipesIn()) return prompt
  if (prompt === '' && context.stdin.isTTY) return undefined
  const piped = await textOfStdin(context)
  if (prompt === '' && piped.trim() === '')
    throw new HeddleError('usage', 'there is nothing to ask', { fix: 'heddle run <model> "hello"' })
  return [prompt, piped.trim()].filter((part) => part !== '').join('\n\n')
}

/** Whether a shell's `|` or `<` feeds us. A socket is how other programs start us, and they may never close it. */
function pipesIn(): boolean {
  try {
    const stdin = fstatSync(0)
    return stdin.isFIFO() || stdin.isFile()
  } catch {
    return false // stdin is closed
  }
}

async function textOfStdin({ stdin, terminal, signal }: Context): Promise<string> {
  const notice = setTimeout(() => terminal.note('reading from stdin until its end'), PIPE_NOTICE_MS)
  const stop = (): void => void stdin.destroy()
  signal.addEventListener('abort', stop, { once: true })
  try {
    const chunks: Buffer[] = []
    for await (const chunk of stdin) {
      clearTimeout(notice)
      chunks.push(Buffer.from(chunk as Uint8Array))
    }
    signal.throwIfAborted()
    return Buffer.concat(chunks).toString('utf8')
  } finally {
    clearTimeout(notice)
    signal.removeEventListener('abort', stop)
  }
}
