/** Downloads over HTTP with Range requests, so that a broken download goes on where it stopped (RFC 9110 §13.1.5 and §14). */
import type { Agent, Dispatcher } from 'undici'
import { HeddleError } from '../../core/errors.ts'
import { limit } from '../../core/limits.ts'
import type { Download, Downloader, DownloadOptions } from '../../ports/downloader.ts'
import { systemCodeOf } from './disk-errors.ts'
import { failed, parseAddress, redirectOf } from './download-address.ts'

type Answer = Dispatcher.ResponseData

export interface HttpDownloaderOptions {
  readonly connectTimeoutMs: number
  /** The longest silence before the head and inside the body. */
  readonly stallMs: number
  /** Sent as `user-agent`. */
  readonly userAgent: string
}

const REDIRECTS = new Set([301, 302, 303, 307, 308])
/** Answers after which the same request may succeed: too early, too many, and the server's own trouble. */
const PASSING = new Set([408, 425, 429, 500, 502, 503, 504])

/** Dispose it to close its sockets. Addresses of private networks are allowed: the operator names each one. */
export class HttpDownloader implements Downloader, AsyncDisposable {
  readonly #options: HttpDownloaderOptions
  /** Made for the first download, as its package takes 4 MB. */
  #agent: Promise<Agent> | undefined

  constructor(options: HttpDownloaderOptions) {
    this.#options = options
  }

  async open(address: string, options: DownloadOptions): Promise<Download> {
    const first = parseAddress(address)
    const { fromByte, validator } = options
    const ranged = fromByte > 0
    const answer = await this.#follow(first, options, ranged ? rangeHeaders(fromByte, validator) : {})
    try {
      if (answer.statusCode === 416 && ranged) {
        drop(answer)
        // With If-Range a server refuses the range only of the version that was asked for.
        const version = validatorOf(answer) ?? validator
        if (wholeSizeOf(answer) === fromByte && version === validator) return nothingMore(fromByte, validator)
        return await this.open(address, { ...options, fromByte: 0, validator: undefined })
      }
      return downloadOf(answer, options)
    } catch (error) {
      drop(answer)
      throw error
    }
  }

  async #follow(first: URL, { signal }: DownloadOptions, headers: Record<string, string>): Promise<Answer> {
    let url = first
    for (let hops = 0; hops <= limit('pullRedirects'); hops += 1) {
      const answer = await this.#request(url, headers, signal)
      if (!REDIRECTS.has(answer.statusCode)) return answer
      drop(answer)
      url = redirectOf(url, headerOf(answer, 'location'))
    }
    throw failed(first, `it redirects more than ${limit('pullRedirects')} times`, false)
  }

  async #request(url: URL, headers: Record<string, string>, signal: AbortSignal): Promise<Answer> {
    try {
      this.#agent ??= openAgent(this.#options)
      return await (await this.#agent).request({
        origin: url.origin,
        path: url.pathname + url.search,
        method: 'GET',
        // A compressed body would have another size and other ranges than the file.
        headers: { ...headers, 'accept-encoding': 'identity', 'user-agent': this.#options.userAgent },
        signal,
      })
    } catch (cause) {
      signal.throwIfAborted()
      throw failed(url, reasonOf(cause), true, cause)
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await (await this.#agent)?.destroy()
  }
}

async function openAgent({ connectTimeoutMs, stallMs }: HttpDownloaderOptions): Promise<Agent> {
  const { Agent } = await import('undici')
  return new Agent({ connect: { timeout: connectTimeoutMs }, headersTimeout: stallMs, bodyTimeout: stallMs })
}

function rangeHeaders(fromByte: number, validator: string | undefined): Record<string, string> {
  const range = { range: `bytes=${fromByte}-` }
  return validator === undefined ? range : { ...range, 'if-range': validator }
}

function downloadOf(answer: Answer, { fromByte, validator, signal }: DownloadOptions): Download {
  const { statusCode } = answer
  if (statusCode !== 200 && statusCode !== 206) {
    const why = `the server answered ${statusCode}`
    throw new HeddleError('download_failed', why, {
      shouldRetry: PASSING.has(statusCode),
      metadata: { status: statusCode },
    })
  }
  const encoding = headerOf(answer, 'content-encoding') ?? 'identity'
  if (encoding !== 'identity') throw refused('the server sends it compressed')
  const range = statusCode === 206 ? contentRangeOf(answer) : undefined
  if (statusCode === 206 && range?.start !== fromByte) throw refused('the server answered with another range')
  const sizeBytes = range === undefined ? lengthOf(answer) : range.sizeBytes
  if (sizeBytes === undefined) throw refused('the server does not say how large the file is')
  const version = validatorOf(answer)
  if (range !== undefined && validator !== undefined && version !== undefined && version !== validator) {
    throw refused('the server answered with a part of another version')
  }
  const offset = range?.start ?? 0
  return {
    sizeBytes,
    offset,
    validator: version,
    body: bodyOf(answer, sizeBytes - offset, signal),
    [Symbol.asyncDispose]: async () => drop(answer),
  }
}

async function* bodyOf(answer: Answer, expectedBytes: number, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  let left = expectedBytes
  try {
    for await (const chunk of answer.body as AsyncIterable<Uint8Array>) {
      left -= chunk.length
      if (left < 0) throw refused('the server sends more than it declared')
      yield chunk
    }
  } catch (cause) {
    signal.throwIfAborted()
    if (cause instanceof HeddleError) throw cause
    throw new HeddleError('download_failed', reasonOf(cause), { cause, shouldRetry: true })
  }
  if (left > 0) throw new HeddleError('download_failed', 'the connection broke before the end', { shouldRetry: true })
}

/** What a server says to a range that begins where the file ends. */
function nothingMore(sizeBytes: number, validator: string | undefined): Download {
  const body = (async function* (): AsyncGenerator<Uint8Array> {})()
  return { sizeBytes, offset: sizeBytes, validator, body, [Symbol.asyncDispose]: async () => undefined }
}

function headerOf({ headers }: Answer, name: string): string | undefined {
  const value = headers[name]
  return Array.isArray(value) ? value[0] : value
}

/** A strong ETag, else the time of change; a weak ETag may stand for other bytes. */
function validatorOf(answer: Answer): string | undefined {
  const etag = headerOf(answer, 'etag')
  if (etag !== undefined && !etag.startsWith('W/')) return etag
  return headerOf(answer, 'last-modified')
}

function lengthOf(answer: Answer): number | undefined {
  return sizeOf(headerOf(answer, 'content-length'))
}

function contentRangeOf(
  answer: Answer,
): { readonly start: number; readonly sizeBytes: number | undefined } | undefined {
  const match = /^bytes (\d+)-\d+\/(\d+|\*)$/.exec(headerOf(answer, 'content-range') ?? '')
  const start = sizeOf(match?.[1])
  return start === undefined ? undefined : { start, sizeBytes: sizeOf(match?.[2]) }
}

function wholeSizeOf(answer: Answer): number | undefined {
  return sizeOf(/^bytes \*\/(\d+)$/.exec(headerOf(answer, 'content-range') ?? '')?.[1])
}

function sizeOf(text: string | undefined): number | undefined {
  const size = /^\d{1,16}$/.test(text ?? '') ? Number(text) : undefined
  return Number.isSafeInteger(size) ? size : undefined
}

/** Closes the answer's socket where its body was not read. */
function drop(answer: Answer): void {
  answer.body.on('error', () => undefined) // what breaks now concerns nobody
  answer.body.destroy()
}

const REASONS = new Map([
  ['UND_ERR_CONNECT_TIMEOUT', 'it does not answer'],
  ['UND_ERR_HEADERS_TIMEOUT', 'it does not answer'],
  ['UND_ERR_BODY_TIMEOUT', 'the download has stalled'],
  ['ECONNREFUSED', 'nothing listens there'],
  ['ENOTFOUND', 'there is no such host'],
  ['EAI_AGAIN', 'the host name cannot be looked up now'],
])

function reasonOf(cause: unknown): string {
  return REASONS.get(systemCodeOf(cause) ?? '') ?? 'the connection broke'
}

function refused(why: string): HeddleError {
  return new HeddleError('download_failed', why, { shouldRetry: false })
}
