/** Checks a GGUF file's header before any native code sees it. */
import { open } from 'node:fs/promises'
import { type GgufSummary, summariseGguf } from '../core/gguf/gguf-summary.ts'
import { parseGgufHeader } from '../core/gguf/parse-gguf-header.ts'

/** @throws HeddleError `gguf_invalid` */
export async function validateGgufFile(
  path: string,
  { signal }: { readonly signal: AbortSignal },
): Promise<GgufSummary> {
  const file = await open(path, 'r')
  try {
    const { size } = await file.stat()
    const read = async (offset: number, length: number): Promise<Uint8Array> => {
      signal.throwIfAborted()
      const { buffer, bytesRead } = await file.read(new Uint8Array(length), 0, length, offset)
      return buffer.subarray(0, bytesRead)
    }
    return summariseGguf(await parseGgufHeader(read, size))
  } finally {
    await file.close()
  }
}
