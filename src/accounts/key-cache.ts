/** API keys looked up lately, by hash, so that a known key costs no wait; and those found not to exist, for a moment. */
import type { KeyId, UnixMs } from '../core/ids.ts'
import { limit } from '../core/limits.ts'
import type { ApiKey } from '../ports/key-store.ts'

interface Known {
  readonly key: ApiKey
  readonly freshUntil: number
}

export class KeyCache {
  readonly #known = new Map<string, Known>()
  readonly #unknown = new Map<string, number>()
  #generation = 0

  /** Grows whenever something was forgotten: a lookup begun before that must not be remembered. */
  get generation(): number {
    return this.#generation
  }

  /** The key, `absent` where it was found not to exist a moment ago, or undefined where nothing is known. */
  get(hash: string, now: UnixMs): ApiKey | 'absent' | undefined {
    const known = this.#known.get(hash)
    if (known !== undefined) {
      this.#known.delete(hash)
      if (now >= known.freshUntil) return undefined
      // Back at the end: what is used least goes first.
      this.#known.set(hash, known)
      return known.key
    }
    const absentUntil = this.#unknown.get(hash)
    if (absentUntil === undefined) return undefined
    if (now < absentUntil) return 'absent'
    this.#unknown.delete(hash)
    return undefined
  }

  remember(hash: string, key: ApiKey | undefined, now: UnixMs): void {
    if (key === undefined) {
      this.#unknown.set(hash, now + limit('unknownKeyCacheMs'))
      trim(this.#unknown, limit('unknownKeyCacheItems'))
    } else {
      this.#known.set(hash, { key, freshUntil: now + limit('keyCacheMs') })
      trim(this.#known, limit('keyCacheItems'))
    }
  }

  forgetHash(hash: string): void {
    this.#generation++
    this.#known.delete(hash)
    this.#unknown.delete(hash)
  }

  forgetKey(id: KeyId): void {
    this.#generation++
    for (const [hash, { key }] of this.#known) if (key.id === id) this.#known.delete(hash)
  }
}

function trim(map: Map<string, unknown>, size: number): void {
  if (map.size <= size) return
  const [oldest] = map.keys()
  if (oldest !== undefined) map.delete(oldest)
}
