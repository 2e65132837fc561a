/** Bytes that look like chance and are the same every time. */
import { createHash } from 'node:crypto'

export function seededBytes(seed: number, sizeBytes: number): Uint8Array {
  return createHash('shake256', { outputLength: sizeBytes }).update(String(seed)).digest()
}
