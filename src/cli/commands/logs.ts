/** `heddle logs`: the log of the running node, its past and with `-f` what comes. */
import type { LogLine } from '../../core/wire/admin.ts'
import type { Context } from '../context.ts'
import { EXIT, type ExitCode } from '../exit-codes.ts'
import { choiceOption, numberOption } from '../option-values.ts'
import { printable, type Style } from '../terminal.ts'

export interface LogsOptions {
  readonly follow?: boolean
  readonly tail: string
  readonly level: string
  readonly component?: string
  readonly request?: string
}

const LEVELS = ['debug', 'info', 'warn', 'error'] as const
const MOST_LINES = 2_000

export async function logs(context: Context, options: LogsOptions): Promise<ExitCode> {
  const query = new URLSearchParams({
    tail: String(numberOption('--tail', options.tail, { least: 0, most: MOST_LINES, whole: true })),
    level: choiceOption('--level', options.level, LEVELS),
    ...(options.follow === true ? { follow: 'true' } : {}),
    ...(options.component === undefined ? {} : { component: options.component }),
    ...(options.request === undefined ? {} : { requestId: options.request }),
  })
  const node = await context.node()
  for await (const line of node.values<LogLine>('GET', `/api/v1/logs?${query.toString()}`, undefined, {
    signal: context.signal,
  })) {
    if (context.json) context.document(line)
    else context.terminal.line(logText(line, context.terminal.paint))
  }
  return EXIT.ok
}

/** `05:12:09.120 info  node started  component=http url=…` */
export function logText(line: LogLine, paint: Context['terminal']['paint']): string {
  const { time, level, msg, ...fields } = line
  const facts = Object.entries(fields).map(([name, value]) => {
    return printable(`${name}=${typeof value === 'string' && /^[^\s"=]+$/.test(value) ? value : JSON.stringify(value)}`)
  })
  const head = `${paint('dim', time.slice(11, 23))} ${paint(styleOf(level), level.padEnd(5))} ${printable(msg)}`
  return facts.length === 0 ? head : `${head}  ${paint('dim', facts.join(' '))}`
}

function styleOf(level: LogLine['level']): Style {
  switch (level) {
    case 'fatal':
    case 'error':
      return 'red'
    case 'warn':
      return 'yellow'
    case 'info':
      return 'green'
    case 'debug':
    case 'trace':
      return 'dim'
  }
}
