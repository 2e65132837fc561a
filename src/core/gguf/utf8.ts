/** Strict UTF-8 (RFC 3629) without a TextDecoder, which core cannot rely on. */

/** How many continuation bytes follow a lead byte, and the least code point that may be written so. */
function leadOf(byte: number): { readonly more: number; readonly bits: number; readonly least: number } | undefined {
  if (byte >= 0xc2 && byte <= 0xdf) return { more: 1, bits: byte & 0x1f, least: 0x80 }
  if (byte >= 0xe0 && byte <= 0xef) return { more: 2, bits: byte & 0x0f, least: 0x800 }
  if (byte >= 0xf0 && byte <= 0xf4) return { more: 3, bits: byte & 0x07, least: 0x10000 }
  return undefined
}

/** The text of `bytes`, or undefined where they are not UTF-8: overlong forms, surrogates and stray bytes are refused. */
export function decodeUtf8(bytes: Uint8Array): string | undefined {
  const pieces: string[] = []
  let units: number[] = []
  for (let at = 0; at < bytes.length; ) {
    const byte = bytes[at] as number
    at += 1
    let point = byte
    if (byte >= 0x80) {
      const lead = leadOf(byte)
      if (lead === undefined || at + lead.more > bytes.length) return undefined
      point = lead.bits
      for (const end = at + lead.more; at < end; at += 1) {
        const next = bytes[at] as number
        if ((next & 0xc0) !== 0x80) return undefined
        point = (point << 6) | (next & 0x3f)
      }
      if (point < lead.least || point > 0x10ffff || (point >= 0xd800 && point <= 0xdfff)) return undefined
    }
    units.push(point)
    // The arguments of one call live on the stack: 4,096 are always few enough.
    if (units.length === 4096) {
      pieces.push(String.fromCodePoint(...units))
      units = []
    }
  }
  pieces.push(String.fromCodePoint(...units))
  return pieces.join('')
}
