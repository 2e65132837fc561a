/** Text of frames: which characters each field may hold, and how it is read and written without more copies than needed. */
import { decodeUtf8 } from '../../gguf/utf8.ts'

/** For each byte 1 where a field may hold it. */
export type Alphabet = Uint8Array

function alphabetOf(isIn: (byte: number) => boolean): Alphabet {
  return Uint8Array.from({ length: 256 }, (_, byte) => (isIn(byte) ? 1 : 0))
}

/** Lower-case tokens (RFC 9110 §5.6.2), so that a name is written in one way only. */
export const HEADER_NAME: Alphabet = alphabetOf((byte) => /[!#$%&'*+\-.^_`|~0-9a-z]/.test(String.fromCharCode(byte)))
/** Printable ASCII, tab, and the bytes of UTF-8: no line ends, so no header can smuggle in another. */
export const HEADER_VALUE: Alphabet = alphabetOf((byte) => byte === 0x09 || (byte >= 0x20 && byte !== 0x7f))
export const METHOD: Alphabet = alphabetOf((byte) => (byte >= 0x41 && byte <= 0x5a) || byte === 0x2d)
/** Printable ASCII without the space: paths (percent-encoded), names of services, request ids. */
export const VISIBLE: Alphabet = alphabetOf((byte) => byte >= 0x21 && byte <= 0x7e)

const CACHED_TEXTS = 256
/** Names, media types and paths of the usual API are shorter; API keys are longer and are not kept. */
const CACHED_CHARACTERS = 40

/** Reads ASCII text out of bytes. What a peer repeats with every request is found instead of made again. */
export class TextReader {
  readonly #texts: string[] = Array.from({ length: CACHED_TEXTS }, () => '')

  /** The text of `bytes[from, to)`, or undefined where a byte is not of `alphabet`. */
  read(bytes: Uint8Array, from: number, to: number, alphabet: Alphabet): string | undefined {
    let hash = 0
    let seen = 0
    for (let at = from; at < to; at += 1) {
      const byte = bytes[at] as number
      if (alphabet[byte] === 0) return undefined
      seen |= byte
      hash = (Math.imul(hash, 31) + byte) | 0
    }
    if (seen >= 0x80) return decodeUtf8(bytes.subarray(from, to))
    if (to - from > CACHED_CHARACTERS) return asciiOf(bytes, from, to)
    const slot = (hash ^ (hash >>> 13)) & (CACHED_TEXTS - 1)
    const known = this.#texts[slot] as string
    if (isText(known, bytes, from, to)) return known
    const text = asciiOf(bytes, from, to)
    this.#texts[slot] = text
    return text
  }

  /** The same for text that does not come again, such as ids. */
  readOnce(bytes: Uint8Array, from: number, to: number, alphabet: Alphabet): string | undefined {
    for (let at = from; at < to; at += 1) if (alphabet[bytes[at] as number] === 0) return undefined
    return asciiOf(bytes, from, to)
  }
}

function isText(text: string, bytes: Uint8Array, from: number, to: number): boolean {
  if (text.length !== to - from) return false
  for (let at = from; at < to; at += 1) if (text.charCodeAt(at - from) !== bytes[at]) return false
  return true
}

/** Bytes below 0x80 as text. */
function asciiOf(bytes: Uint8Array, from: number, to: number): string {
  let text = ''
  let at = from
  for (; at + 8 <= to; at += 8) {
    text += String.fromCharCode(
      bytes[at] as number,
      bytes[at + 1] as number,
      bytes[at + 2] as number,
      bytes[at + 3] as number,
      bytes[at + 4] as number,
      bytes[at + 5] as number,
      bytes[at + 6] as number,
      bytes[at + 7] as number,
    )
  }
  for (; at < to; at += 1) text += String.fromCharCode(bytes[at] as number)
  return text
}

/** Writes ASCII text at `at`, which must have room for it; returns where it ends, or -1 where a character is not of `alphabet`. */
export function writeAscii(text: string, into: Uint8Array, at: number, alphabet: Alphabet): number {
  for (let index = 0; index < text.length; index += 1) {
    const code = text.charCodeAt(index)
    if (code >= 0x80 || alphabet[code] === 0) return -1
    into[at + index] = code
  }
  return at + text.length
}

/** Writes a header value as UTF-8 at `at`, which must have three bytes of room for each character; -1 for one that is not allowed. */
export function writeHeaderValue(text: string, into: Uint8Array, at: number): number {
  for (let index = 0; index < text.length; index += 1) {
    const code = text.charCodeAt(index)
    if (code >= 0x80) return writeUtf8(text, index, into, at + index)
    if (HEADER_VALUE[code] === 0) return -1
    into[at + index] = code
  }
  return at + text.length
}

function writeUtf8(text: string, from: number, into: Uint8Array, at: number): number {
  let end = at
  for (let index = from; index < text.length; index += 1) {
    const point = text.codePointAt(index) as number
    if (point < 0x80) {
      if (HEADER_VALUE[point] === 0) return -1
      into[end++] = point
    } else if (point < 0x800) {
      into[end++] = 0xc0 | (point >> 6)
      into[end++] = 0x80 | (point & 0x3f)
    } else if (point < 0x10000) {
      // Half of a pair stands for no character.
      if (point >= 0xd800 && point <= 0xdfff) return -1
      into[end++] = 0xe0 | (point >> 12)
      into[end++] = 0x80 | ((point >> 6) & 0x3f)
      into[end++] = 0x80 | (point & 0x3f)
    } else {
      index += 1
      into[end++] = 0xf0 | (point >> 18)
      into[end++] = 0x80 | ((point >> 12) & 0x3f)
      into[end++] = 0x80 | ((point >> 6) & 0x3f)
      into[end++] = 0x80 | (point & 0x3f)
    }
  }
  return end
}
