/** The open exchanges of a session by their stream ids. */

/** What a table can hold: a value that knows its id and lends the table a place for a pointer. */
export interface TableEntry<T> {
  readonly stream: number
  /** The next entry of the same bucket; the table's own. */
  nextInBucket: T | undefined
}

const BUCKETS = 256

/**
 * A Map would do but for the garbage collector: a Map replaces its storage as entries come and go, and each storage
 * that grew old keeps what it once held alive until the next full collection. At 80,000 requests per second that
 * cost a third of the time.
 */
export class StreamTable<T extends TableEntry<T>> {
  readonly #buckets: (T | undefined)[] = Array.from({ length: BUCKETS }, () => undefined)
  #size = 0

  get size(): number {
    return this.#size
  }

  get(stream: number): T | undefined {
    let entry = this.#buckets[bucketOf(stream)]
    while (entry !== undefined && entry.stream !== stream) entry = entry.nextInBucket
    return entry
  }

  /** Adds an entry whose id is not here yet. */
  add(entry: T): void {
    const bucket = bucketOf(entry.stream)
    entry.nextInBucket = this.#buckets[bucket]
    this.#buckets[bucket] = entry
    this.#size += 1
  }

  /** Takes the entry out, if it is here. */
  remove(entry: T): void {
    const bucket = bucketOf(entry.stream)
    let before: T | undefined
    let found = this.#buckets[bucket]
    while (found !== undefined && found !== entry) {
      before = found
      found = found.nextInBucket
    }
    if (found === undefined) return
    if (before === undefined) this.#buckets[bucket] = entry.nextInBucket
    else before.nextInBucket = entry.nextInBucket
    entry.nextInBucket = undefined
    this.#size -= 1
  }

  /** All entries as they are now. */
  values(): T[] {
    const values: T[] = []
    for (let entry of this.#buckets) {
      for (; entry !== undefined; entry = entry.nextInBucket) values.push(entry)
    }
    return values
  }
}

/** Ids of one side are two apart. */
const bucketOf = (stream: number): number => (stream >>> 1) & (BUCKETS - 1)
