/** Logs through pino: JSON lines or, for people, coloured ones; cleaned of secrets and kept in a ring. */
import { createRequire } from 'node:module'
import { isatty } from 'node:tty'
import { type DestinationStream, type Logger as Pino, pino } from 'pino'
import type { LogFields, Logger } from '../../ports/logger.ts'
import { LineSink } from './line-sink.ts'
import { type LogLevel, LogRing } from './log-ring.ts'
import { cleanFields, maskText } from './redact.ts'

const STANDARD_ERROR = 2

export interface LoggerOptions {
  readonly level: LogLevel
  /** `auto` is pretty on a terminal and JSON elsewhere. */
  readonly format: 'json' | 'pretty' | 'auto'
  /** Where lines go; standard error by default. */
  readonly stream?: NodeJS.WritableStream | undefined
}

export interface StartedLogger extends Disposable {
  readonly logger: Logger
  readonly ring: LogRing
  /** Level from now on, for every child too. */
  setLevel(level: LogLevel): void
  level(): LogLevel
  /** Writes what is buffered, at once; for the end of the process. */
  flush(): void
}

/** Starts logging; disposing it flushes. Lines for a reader that has gone or is too slow are lost, never waited for. */
export function startLogger({ level, format, stream }: LoggerOptions): StartedLogger {
  const ring = new LogRing()
  const standardError = new LineSink(STANDARD_ERROR)
  const lines: DestinationStream = stream ?? standardError
  const isTerminal = stream ? (stream as { isTTY?: boolean }).isTTY === true : isatty(STANDARD_ERROR)
  const isPretty = format === 'pretty' || (format === 'auto' && isTerminal)
  const pretty = isPretty ? prettyOf(isTerminal) : undefined
  const control = { level: levelNumber(level), name: level }

  const root = pino(
    {
      base: null,
      level: 'debug',
      timestamp: startTimestamps(),
      formatters: { level: (label) => ({ level: label }) },
      // Errors were made plain already; pino's own serializer would take them apart again.
      serializers: { err: (value: unknown) => value },
    },
    {
      write(line: string) {
        ring.push(line)
        if (pretty === undefined) lines.write(line)
        else lines.write(pretty(line))
      },
    },
  )
  const flush = (): void => standardError.flush()
  return {
    logger: new PinoLogger(root, control),
    ring,
    setLevel(next) {
      control.level = levelNumber(next)
      control.name = next
    },
    level: () => control.name,
    flush,
    [Symbol.dispose]: flush,
  }
}

interface LevelControl {
  level: number
  name: LogLevel
}

/** The port's four methods; the level is looked up in one shared place, so that a change reaches every child. */
class PinoLogger implements Logger {
  readonly #pino: Pino
  readonly #control: LevelControl

  constructor(logger: Pino, control: LevelControl) {
    this.#pino = logger
    this.#control = control
  }

  debug(fields: LogFields, message: string): void {
    if (this.#control.level <= 20) this.#pino.debug(cleanFields(fields), maskText(message))
  }

  info(fields: LogFields, message: string): void {
    if (this.#control.level <= 30) this.#pino.info(cleanFields(fields), maskText(message))
  }

  warn(fields: LogFields, message: string): void {
    if (this.#control.level <= 40) this.#pino.warn(cleanFields(fields), maskText(message))
  }

  error(fields: LogFields, message: string): void {
    if (this.#control.level <= 50) this.#pino.error(cleanFields(fields), maskText(message))
  }

  child(fields: LogFields): Logger {
    return new PinoLogger(this.#pino.child(cleanFields(fields)), this.#control)
  }
}

function levelNumber(level: LogLevel): number {
  return pino.levels.values[level] ?? 30
}

function prettyOf(colorize: boolean): (line: string) => string {
  // Fifteen packages that only a terminal needs.
  const { prettyFactory } = createRequire(import.meta.url)('pino-pretty') as typeof import('pino-pretty')
  const format = prettyFactory({
    colorize,
    messageFormat: false,
    translateTime: 'SYS:HH:MM:ss.l',
    singleLine: true,
    ignore: 'pid,hostname',
  })
  return (line) => format(line)
}

/** ISO times, made once a millisecond. */
function startTimestamps(): () => string {
  let madeAtMs = 0
  let text = ''
  return () => {
    const now = Date.now()
    if (now !== madeAtMs) {
      madeAtMs = now
      text = `,"time":"${new Date(now).toISOString()}"`
    }
    return text
  }
}
