/** Structured logging: fields first, then a constant lower-case message. Never prompts, completions, keys or tokens. */

export type LogFields = Readonly<Record<string, unknown>>

export interface Logger {
  debug(fields: LogFields, message: string): void
  info(fields: LogFields, message: string): void
  warn(fields: LogFields, message: string): void
  error(fields: LogFields, message: string): void
  /** A logger that adds `fields` to every record. */
  child(fields: LogFields): Logger
}
