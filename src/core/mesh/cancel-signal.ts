/** The part of an AbortSignal that core uses; core compiles without the types of Node and the DOM. */

export interface CancelSignal {
  readonly aborted: boolean
  readonly reason: unknown
  addEventListener(type: 'abort', listener: () => void): void
  removeEventListener(type: 'abort', listener: () => void): void
}

/** The part of an AbortController that core uses. */
export interface CancelHandle<Signal extends CancelSignal> {
  readonly signal: Signal
  abort(reason: unknown): void
}
