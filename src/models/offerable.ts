/** Reads a model file's header through its port and says whether the file can be served. */
import { HeddleError } from '../core/errors.ts'
import type { ReadBytes } from '../core/gguf/gguf-header.ts'
import { type GgufSummary, summariseGguf } from '../core/gguf/gguf-summary.ts'
import { parseGgufHeader } from '../core/gguf/parse-gguf-header.ts'

/** The summary of a file that can be served alone; otherwise throws `gguf_invalid` with the reason. */
export async function readOfferable(read: ReadBytes, sizeBytes: number): Promise<GgufSummary> {
  const summary = summariseGguf(await parseGgufHeader(read, sizeBytes))
  const reason = whyNotOffered(summary)
  if (reason !== undefined) throw new HeddleError('gguf_invalid', reason)
  return summary
}

/** GGUF also carries adapters, image encoders, vocabularies and pieces of models: sound files that no engine can run alone. */
function whyNotOffered({ kind, architecture, splitCount, parameters }: GgufSummary): string | undefined {
  if (splitCount > 1) return `it is one of ${splitCount} pieces of a model; join them into one file first`
  if (kind !== 'model') return 'it holds no whole model but something to go with one, such as an adapter'
  if (architecture === 'clip') return 'it holds an image encoder, not a language model'
  if (parameters === 0) return 'it holds no weights'
  return undefined
}
