/** Bytes as text. */

/** What is not valid UTF-8 becomes U+FFFD. The bytes are looked at, not copied. */
export function decodeUtf8(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8')
}
