/** Ids and secrets from the operating system's randomness, read in blocks so that an id costs well under a microsecond. */
import { randomBytes, randomFillSync } from 'node:crypto'
import { asKeyId, asRequestId, type KeyId, type RequestId } from '../../core/ids.ts'
import type { Clock } from '../../ports/clock.ts'
import type { IdSource } from '../../ports/id-source.ts'

/** Crockford's base 32 in lower case: its characters sort as their values do, so ids sort by age. */
const ALPHABET = '0123456789abcdefghjkmnpqrstvwxyz'
/** Ten characters hold 50 bits: milliseconds until the year 37,000. */
const TIME_CHARACTERS = 10
/** Seven pairs hold 70 bits: two ids of one millisecond are never equal in practice. */
const REQUEST_PAIRS = 7
const KEY_PAIRS = 6
/** One system call fills this many 16-bit numbers: 585 request ids. */
const BLOCK_NUMBERS = 4096

export class SystemIds implements IdSource {
  readonly #clock: Pick<Clock, 'now'>
  readonly #pairs: readonly string[]
  readonly #block = new Uint16Array(BLOCK_NUMBERS)
  #next = BLOCK_NUMBERS
  #timeMs = -1
  #timePrefix = ''

  constructor({ clock }: { readonly clock: Pick<Clock, 'now'> }) {
    this.#clock = clock
    this.#pairs = Array.from({ length: 1024 }, (_, value) => `${ALPHABET[value >> 5]}${ALPHABET[value & 31]}`)
  }

  requestId(): RequestId {
    const now = this.#clock.now()
    if (now !== this.#timeMs) {
      this.#timeMs = now
      this.#timePrefix = `req_${timeOf(now)}`
    }
    return asRequestId(this.#timePrefix + this.#chance(REQUEST_PAIRS))
  }

  keyId(): KeyId {
    return asKeyId(`key_${this.#chance(KEY_PAIRS)}`)
  }

  secret(bytes: number): string {
    return randomBytes(bytes).toString('base64url')
  }

  fraction(): number {
    return this.#number() / 65_536
  }

  #chance(pairs: number): string {
    let text = ''
    for (let pair = 0; pair < pairs; pair++) text += this.#pairs[this.#number() & 1023]
    return text
  }

  #number(): number {
    if (this.#next === BLOCK_NUMBERS) {
      randomFillSync(this.#block)
      this.#next = 0
    }
    return this.#block[this.#next++] as number
  }
}

function timeOf(ms: number): string {
  let text = ''
  let rest = ms
  for (let place = 0; place < TIME_CHARACTERS; place++) {
    text = `${ALPHABET[rest % 32]}${text}`
    rest = Math.floor(rest / 32)
  }
  return text
}
