/** The octets that HTTP/1.1 tells apart (RFC 9110 §5.5, §5.6.2), as tables, so that a byte costs one look. */

export const TAB = 0x09
export const LF = 0x0a
export const CR = 0x0d
export const SPACE = 0x20
export const COLON = 0x3a
export const SEMICOLON = 0x3b

/** What a function that reads bytes returns besides a position: more bytes are needed, or these are wrong. */
export const INCOMPLETE = -1
export const MALFORMED = -2

/** 1 for each octet of a token: the characters of names. */
export const TOKEN = tableOf((octet) => /[!#$%&'*+.^_`|~0-9A-Za-z-]/.test(String.fromCharCode(octet)))
/** 1 for each octet of a field value: visible ones, space, tab, and those above ASCII; no control characters. */
export const FIELD = tableOf((octet) => octet === TAB || (octet >= SPACE && octet !== 0x7f))

/** Whether `lower`, made of lower-case letters, digits, `-` and `=`, stands at `start` in either case; for valid fields only. */
export function matches(bytes: Uint8Array, start: number, lower: string): boolean {
  for (let index = 0; index < lower.length; index += 1) {
    if (((bytes[start + index] as number) | 0x20) !== lower.charCodeAt(index)) return false
  }
  return true
}

/** What a digit or a hexadecimal letter stands for; -1 for any other octet. */
export function hexValue(octet: number): number {
  if (octet >= 0x30 && octet <= 0x39) return octet - 0x30
  const letter = octet | 0x20
  return letter >= 0x61 && letter <= 0x66 ? letter - 0x57 : -1
}

/** These bytes in a buffer of their own. */
export function copied(bytes: Buffer, start: number, end: number): Buffer {
  const copy = Buffer.allocUnsafe(end - start)
  bytes.copy(copy, 0, start, end)
  return copy
}

function tableOf(isIn: (octet: number) => boolean): Uint8Array {
  return Uint8Array.from({ length: 256 }, (_, octet) => (isIn(octet) ? 1 : 0))
}
