/** Sums over the registry by which two nodes find what they hold differently without sending it. */
import type { PublicKey } from '../identity/ed25519-rules.ts'
import type { NodeId } from '../ids.ts'

/**
 * Records are spread over 4,096 buckets by the first 12 bits of the device key. A bucket's sum is the exclusive or of the first
 * 8 bytes of the ids of its records, a group's sum that of its 64 buckets, the root that of all: 8 bytes tell whether two
 * tables are equal, 512 bytes which groups differ, 512 bytes for each of those which buckets do.
 */
export const BUCKETS = 4096
export const GROUPS = 64
export const BUCKETS_PER_GROUP = BUCKETS / GROUPS
export const SUM_BYTES = 8
const WORDS_PER_SUM = 2

/** Keys are spread evenly: any 12 bits of them do. */
export function bucketOf(key: PublicKey): number {
  return ((key[0] ?? 0) << 4) | ((key[1] ?? 0) >> 4)
}

export class Digest {
  readonly #buckets = new Uint32Array(BUCKETS * WORDS_PER_SUM)
  readonly #groups = new Uint32Array(GROUPS * WORDS_PER_SUM)
  readonly #root = new Uint32Array(WORDS_PER_SUM)
  readonly #peers = new Map<number, readonly NodeId[]>()

  /** @param id lower-case hex */
  add(peer: NodeId, key: PublicKey, id: string): void {
    const bucket = bucketOf(key)
    this.#toggle(bucket, id)
    const peers = this.#peers.get(bucket) ?? []
    if (!peers.includes(peer)) this.#peers.set(bucket, [...peers, peer])
  }

  /** Undoes an `add` with the same arguments. */
  remove(peer: NodeId, key: PublicKey, id: string): void {
    const bucket = bucketOf(key)
    this.#toggle(bucket, id)
    const others = (this.#peers.get(bucket) ?? []).filter((each) => each !== peer)
    if (others.length === 0) this.#peers.delete(bucket)
    else this.#peers.set(bucket, others)
  }

  root(): Uint8Array {
    return bytesOf(this.#root)
  }

  /** The sums of the groups, one after another. */
  groups(): Uint8Array {
    return bytesOf(this.#groups)
  }

  /** The sums of one group's buckets, one after another. */
  group(group: number): Uint8Array {
    const words = BUCKETS_PER_GROUP * WORDS_PER_SUM
    return bytesOf(this.#buckets.subarray(group * words, (group + 1) * words))
  }

  /** Whose records a bucket holds. */
  peersIn(bucket: number): Iterable<NodeId> {
    return this.#peers.get(bucket) ?? []
  }

  #toggle(bucket: number, id: string): void {
    const sums = [this.#root, this.#groups, this.#buckets] as const
    const places = [0, Math.floor(bucket / BUCKETS_PER_GROUP), bucket] as const
    for (let word = 0; word < WORDS_PER_SUM; word += 1) {
      const value = Number.parseInt(id.slice(word * 8, word * 8 + 8), 16)
      for (const [level, sum] of sums.entries()) {
        const index = (places[level] ?? 0) * WORDS_PER_SUM + word
        sum[index] = (sum[index] ?? 0) ^ value
      }
    }
  }
}

/** Which of the sums, counted from 0, are not the same in both; all of them where the lengths differ. */
export function differingSums(a: Uint8Array, b: Uint8Array): readonly number[] {
  const count = Math.floor(Math.max(a.length, b.length) / SUM_BYTES)
  return Array.from({ length: count }, (_, index) => index).filter((index) => {
    const from = index * SUM_BYTES
    for (let at = from; at < from + SUM_BYTES; at += 1) if (a[at] !== b[at]) return true
    return false
  })
}

/** Big-endian words as bytes. */
function bytesOf(words: Uint32Array): Uint8Array {
  const bytes = new Uint8Array(words.length * 4)
  const view = new DataView(bytes.buffer)
  for (const [index, word] of words.entries()) view.setUint32(index * 4, word)
  return bytes
}
