/** The frames of a chunked body, RFC 9112 §7.1. */

const CR = 13
const LF = 10
/** Ends the body. */
export const LAST_CHUNK = Buffer.from('0\r\n\r\n')

/** One chunk: its length in hex, its bytes, each with CRLF. Nothing gives nothing: an empty chunk would end the body. */
export function chunkOf(bytes: Uint8Array): Uint8Array {
  if (bytes.length === 0) return bytes
  const size = bytes.length.toString(16)
  const at = size.length + 2
  const chunk = Buffer.allocUnsafe(at + bytes.length + 2)
  chunk.write(size, 0, 'latin1')
  chunk[at - 2] = CR
  chunk[at - 1] = LF
  chunk.set(bytes, at)
  chunk[at + bytes.length] = CR
  chunk[at + bytes.length + 1] = LF
  return chunk
}
