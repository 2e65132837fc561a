/** Bytes from an address, from a chosen place on. */

export interface DownloadOptions {
  /** Where to begin; the source may begin at 0 all the same. */
  readonly fromByte: number
  /** Begin there only if the source still has this version. */
  readonly validator: string | undefined
  readonly signal: AbortSignal
}

export interface Download extends AsyncDisposable {
  /** The whole file's size, as declared before its bytes. */
  readonly sizeBytes: number
  /** Where `body` begins: `fromByte`, or 0. */
  readonly offset: number
  /** What tells this version at the source from another; undefined where the source does not say. */
  readonly validator: string | undefined
  /** Throws `download_failed` when it is cut or stalls. */
  readonly body: AsyncIterable<Uint8Array>
}

/**
 * Every implementation promises (test/contracts/downloader.contract.ts checks it):
 * - it rejects with `download_failed`, whose `shouldRetry` says whether trying again makes sense, or with the signal's reason;
 * - a source that does not declare its size is refused;
 * - the body begins at `fromByte` only where the source has the version of `validator`, or none was given, and ends only at the declared size;
 * - disposing a download that was not read to its end stops it.
 */
export interface Downloader {
  open(address: string, options: DownloadOptions): Promise<Download>
}
