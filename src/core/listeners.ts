/** Who wants to hear of something, told in the order in which they came. */

export class Listeners<Args extends readonly unknown[] = []> {
  readonly #listeners = new Set<(...args: Args) => void>()

  /** The result takes it out again. */
  add(listener: (...args: Args) => void): () => void {
    // Each addition is one of its own, also of a function that is here already.
    const own = (...args: Args): void => listener(...args)
    this.#listeners.add(own)
    return () => void this.#listeners.delete(own)
  }

  tell(...args: Args): void {
    for (const listener of this.#listeners) listener(...args)
  }
}
