/** Where a command writes: data on stdout, everything else on stderr, colour only where somebody sees it. */
import { styleText } from 'node:util'

export type Style = Parameters<typeof styleText>[0]

/** The part of a stream that a command uses; tests pass their own. */
export interface TextSink {
  write(text: string): unknown
  readonly isTTY?: boolean | undefined
  readonly columns?: number | undefined
}

export interface Terminal {
  readonly stdout: TextSink
  readonly stderr: TextSink
  /** Writes one line of data. */
  line(text?: string): void
  /** Writes one line for people, beside the data. */
  note(text?: string): void
  /** Colours text that goes to stdout, or leaves it. */
  paint(style: Style, text: string): string
  /** The same for stderr. */
  paintNote(style: Style, text: string): string
  /** The width to fit stdout to; undefined where nothing must be cut: a pipe or a file. */
  readonly width: number | undefined
}

const LEAST_WIDTH = 40

export interface TerminalOptions {
  readonly stdout: TextSink
  readonly stderr: TextSink
  readonly env: Readonly<Record<string, string | undefined>>
  /** `--no-color` was given. */
  readonly plain?: boolean
}

export function terminalOf({ stdout, stderr, env, plain = false }: TerminalOptions): Terminal {
  const painter = (sink: TextSink) => {
    const on = !plain && wantsColour(sink, env)
    return (style: Style, text: string): string => (on ? styleText(style, text, { validateStream: false }) : text)
  }
  return {
    stdout,
    stderr,
    line: (text = '') => void stdout.write(`${text}\n`),
    note: (text = '') => void stderr.write(`${text}\n`),
    paint: painter(stdout),
    paintNote: painter(stderr),
    width: stdout.isTTY === true && stdout.columns !== undefined ? Math.max(LEAST_WIDTH, stdout.columns) : undefined,
  }
}

/** `NO_COLOR` and `FORCE_COLOR` as their sites define them; `TERM=dumb` and `CI` mean no. */
export function wantsColour(sink: TextSink, env: TerminalOptions['env']): boolean {
  if (env['NO_COLOR']) return false
  if (env['FORCE_COLOR']) return env['FORCE_COLOR'] !== '0' && env['FORCE_COLOR'] !== 'false'
  return sink.isTTY === true && env['TERM'] !== 'dumb' && !env['CI']
}

/** `text` without the control characters by which a stranger's text could drive the terminal; line ends and tabs stay. */
export function printable(text: string): string {
  return text.replace(/(?![\n\t])\p{Cc}/gu, '')
}
