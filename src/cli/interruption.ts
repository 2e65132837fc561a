/** The reason with which work is aborted when a person presses Ctrl+C or a supervisor sends a signal. */
export class Interruption extends Error {
  override readonly name = 'Interruption'
  readonly signal: NodeJS.Signals

  constructor(signal: NodeJS.Signals) {
    super(`interrupted by ${signal}`)
    this.signal = signal
  }
}
