/** Remembers which signatures were found good, so that none is computed twice. */

/** Bounded: the older half is forgotten when the newer one is full. */
export class VerifiedSignatures {
  readonly #most: number
  #newer = new Set<string>()
  #older = new Set<string>()

  constructor(most: number) {
    this.#most = most
  }

  get size(): number {
    return this.#newer.size + this.#older.size
  }

  has(key: string): boolean {
    return this.#newer.has(key) || this.#older.has(key)
  }

  add(key: string): void {
    this.#newer.add(key)
    if (this.#newer.size * 2 < this.#most) return
    this.#older = this.#newer
    this.#newer = new Set()
  }
}
