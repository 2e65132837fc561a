/** Takes the fields of a canonical map one by one and remembers the first thing that is wrong with them. */
import { asUnixMs, type UnixMs } from '../ids.ts'
import { limit } from '../limits.ts'
import { type CanonicalMap, type CanonicalValue, isCanonicalMap } from './canonical.ts'
import { type Checked, type IdentityRefusal, malformed, ok } from './refusal.ts'

/** Keys from here on are for later versions: a reader that does not know one keeps it. */
export const FIRST_EXTENSION_KEY = 32
/** Control characters and those that turn or hide text. */
const UNSHOWABLE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u

/** Reads a map whose keys below 32 are all known to the caller. Getters give a harmless value after the first mistake. */
export class FieldReader {
  readonly #fields: CanonicalMap
  readonly #seen = new Set<number>()
  #refusal: IdentityRefusal | undefined

  constructor(value: CanonicalValue) {
    this.#fields = isCanonicalMap(value) ? value : new Map()
    if (!isCanonicalMap(value)) this.#refusal = malformed('not a map')
  }

  /** Key 0 of every signed value. */
  version(supported: number): void {
    const found = this.uint(0)
    if (found !== supported) this.#refuse({ kind: 'unsupported_version', found, supported })
  }

  uint(key: number): number {
    const value = this.#take(key)
    if (typeof value === 'number' && value >= 0) return value
    return this.#wrong(key, 'an unsigned integer', 0)
  }

  time(key: number): UnixMs {
    return asUnixMs(this.uint(key))
  }

  boolean(key: number): boolean {
    const value = this.#take(key)
    return typeof value === 'boolean' ? value : this.#wrong(key, 'true or false', false)
  }

  /** A byte string of exactly `length` bytes. */
  bytes(key: number, length: number): Uint8Array {
    const value = this.#take(key)
    if (value instanceof Uint8Array && value.length === length) return value
    return this.#wrong(key, `${length} bytes`, new Uint8Array(length))
  }

  /** A byte string of any length up to `maxBytes`. */
  blob(key: number, maxBytes: number): Uint8Array {
    const value = this.#take(key)
    if (value instanceof Uint8Array && value.length <= maxBytes) return value
    return this.#wrong(key, `at most ${maxBytes} bytes`, new Uint8Array())
  }

  text(key: number, maxCharacters: number): string {
    const value = this.#take(key)
    if (typeof value === 'string' && value.length <= maxCharacters) return value
    return this.#wrong(key, `a text of at most ${maxCharacters} characters`, '')
  }

  /** A name that people are shown. */
  displayName(key: number): string {
    const value = this.text(key, limit('displayNameCharacters'))
    return isDisplayName(value) ? value : this.#wrong(key, 'a name that can be shown', '')
  }

  /** What `parse` makes of a byte string of `length` bytes; it gives undefined for bytes that it refuses. */
  parsed<T>(key: number, length: number, parse: (bytes: Uint8Array) => T | undefined, what: string): T | undefined {
    const value = parse(this.bytes(key, length))
    return value ?? this.#wrong(key, what, undefined)
  }

  list(key: number, maxItems: number): readonly CanonicalValue[] {
    const value = this.#take(key)
    if (Array.isArray(value) && value.length <= maxItems) return value as readonly CanonicalValue[]
    return this.#wrong(key, `a list of at most ${maxItems}`, [])
  }

  map(key: number): CanonicalMap {
    const value = this.#take(key)
    return isCanonicalMap(value) ? value : this.#wrong(key, 'a map', new Map())
  }

  /** Whether an optional field is there; ask before reading it. */
  has(key: number): boolean {
    return this.#fields.has(key)
  }

  /** Notes that a value read before does not make sense. */
  refuse(reason: string): void {
    this.#refuse(malformed(reason))
  }

  /**
   * Ends the reading: the first mistake, or what `make` builds from the values read and from the fields from key 32 on,
   * which belong to later versions and stay as they are. Any other field that was not read is a mistake.
   */
  finish<T>(make: (extensions: CanonicalMap) => T | undefined): Checked<T> {
    const unread = [...this.#fields].filter(([key]) => !this.#seen.has(key))
    const unknown = unread.find(([key]) => key < FIRST_EXTENSION_KEY)
    if (unknown !== undefined) this.refuse(`key ${unknown[0]} is unknown`)
    if (this.#refusal !== undefined) return this.#refusal
    const made = make(new Map(unread))
    return made === undefined ? malformed('a field is missing') : ok(made)
  }

  #take(key: number): CanonicalValue | undefined {
    this.#seen.add(key)
    return this.#fields.get(key)
  }

  #wrong<T>(key: number, wanted: string, instead: T): T {
    this.refuse(this.#fields.has(key) ? `key ${key} is not ${wanted}` : `key ${key} is missing`)
    return instead
  }

  #refuse(refusal: IdentityRefusal): void {
    this.#refusal ??= refusal
  }
}

/** The map of a signed value: numbered fields without those that are undefined, and the extensions. */
export function fieldsOf(
  fields: Readonly<Record<number, CanonicalValue | undefined>>,
  extensions: CanonicalMap = new Map(),
): CanonicalMap {
  const map = new Map<number, CanonicalValue>()
  for (const [key, value] of Object.entries(fields)) if (value !== undefined) map.set(Number(key), value)
  for (const [key, value] of extensions) {
    if (key < FIRST_EXTENSION_KEY) throw new RangeError(`extensions begin at key ${FIRST_EXTENSION_KEY}`)
    map.set(key, value)
  }
  return map
}

/** Whether `text` can be shown as a name: 1 to 64 characters, composed (Unicode NFC), no control or direction characters. */
export function isDisplayName(text: string): boolean {
  if (text.length === 0 || text.length > limit('displayNameCharacters')) return false
  return text === text.normalize('NFC') && text === text.trim() && !UNSHOWABLE.test(text)
}
