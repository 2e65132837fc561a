/** Downloads from memory, for tests: each address has bytes, a version and faults that happen once. */
import { HeddleError } from '../../core/errors.ts'
import type { Download, Downloader, DownloadOptions } from '../../ports/downloader.ts'

export interface MemorySource {
  readonly bytes: Uint8Array
  readonly validator: string | undefined
  /** Positions at which the body breaks off, one for each try; none left means whole. */
  readonly cuts?: number[]
  /** Whether it can begin elsewhere than at 0; true by default. */
  readonly ranges?: boolean
}

const PIECE_BYTES = 64

export class MemoryDownloader implements Downloader {
  readonly sources = new Map<string, MemorySource>()
  /** Where each try began and how many bytes it gave. */
  readonly tries: { readonly fromByte: number; gave: number }[] = []

  async open(address: string, { fromByte, validator, signal }: DownloadOptions): Promise<Download> {
    signal.throwIfAborted()
    const source = this.sources.get(address)
    if (source === undefined)
      throw new HeddleError('download_failed', 'there is nothing at this address', { shouldRetry: false })
    const sameVersion = validator === undefined || validator === source.validator
    const offset = sameVersion && source.ranges !== false ? fromByte : 0
    const attempt = { fromByte: offset, gave: 0 }
    this.tries.push(attempt)
    return {
      sizeBytes: source.bytes.length,
      offset,
      validator: source.validator,
      body: bodyOf(source, offset, attempt, signal),
      [Symbol.asyncDispose]: async () => undefined,
    }
  }
}

async function* bodyOf(
  { bytes, cuts }: MemorySource,
  offset: number,
  attempt: { gave: number },
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  const cut = cuts?.shift() ?? bytes.length
  for (let at = offset; at < Math.min(cut, bytes.length); at += PIECE_BYTES) {
    signal.throwIfAborted()
    const piece = bytes.subarray(at, Math.min(at + PIECE_BYTES, cut))
    attempt.gave += piece.length
    yield piece
  }
  if (cut < bytes.length) throw new HeddleError('download_failed', 'the connection broke', { shouldRetry: true })
}
