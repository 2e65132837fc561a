/** A logger that keeps what it is told, for tests. */
import type { LogFields, Logger } from '../../src/ports/logger.ts'

export interface Recorded {
  readonly level: 'debug' | 'info' | 'warn' | 'error'
  readonly fields: LogFields
  readonly message: string
}

export class RecordingLogger implements Logger {
  readonly records: Recorded[]
  readonly #bound: LogFields

  constructor(records: Recorded[] = [], bound: LogFields = {}) {
    this.records = records
    this.#bound = bound
  }

  debug(fields: LogFields, message: string): void {
    this.records.push({ level: 'debug', fields: { ...this.#bound, ...fields }, message })
  }

  info(fields: LogFields, message: string): void {
    this.records.push({ level: 'info', fields: { ...this.#bound, ...fields }, message })
  }

  warn(fields: LogFields, message: string): void {
    this.records.push({ level: 'warn', fields: { ...this.#bound, ...fields }, message })
  }

  error(fields: LogFields, message: string): void {
    this.records.push({ level: 'error', fields: { ...this.#bound, ...fields }, message })
  }

  child(fields: LogFields): Logger {
    return new RecordingLogger(this.records, { ...this.#bound, ...fields })
  }
}
