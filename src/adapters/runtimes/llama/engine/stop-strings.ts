/** Watches a text as it grows for stop strings, and holds back what may be the beginning of one. */

export interface StopVerdict {
  /** Text that may be shown. */
  readonly text: string
  /** Whether a stop string came; nothing from it on is ever shown. */
  readonly stopped: boolean
}

export class StopStrings {
  readonly #stops: readonly string[]
  #held = ''

  constructor(stops: readonly string[]) {
    this.#stops = stops.filter((stop) => stop !== '')
  }

  push(text: string): StopVerdict {
    if (this.#stops.length === 0) return { text, stopped: false }
    const all = this.#held + text
    const at = this.#firstStop(all)
    if (at >= 0) {
      this.#held = ''
      return { text: all.slice(0, at), stopped: true }
    }
    const keep = this.#longestBeginning(all)
    this.#held = all.slice(all.length - keep)
    return { text: all.slice(0, all.length - keep), stopped: false }
  }

  /** What was held back, once no more text comes. */
  flush(): string {
    const held = this.#held
    this.#held = ''
    return held
  }

  #firstStop(text: string): number {
    let first = -1
    for (const stop of this.#stops) {
      const at = text.indexOf(stop)
      if (at >= 0 && (first < 0 || at < first)) first = at
    }
    return first
  }

  /** Length of the longest end of `text` with which a stop string begins. */
  #longestBeginning(text: string): number {
    let longest = 0
    for (const stop of this.#stops) {
      for (let length = Math.min(stop.length - 1, text.length); length > longest; length -= 1) {
        if (text.endsWith(stop.slice(0, length))) longest = length
      }
    }
    return longest
  }
}
