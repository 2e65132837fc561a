/** What the two processes of a hop are asked and what they answer. */

/** How the bytes of a hop travel; `fresh` opens a libp2p stream for each request, `http` is plain HTTP/1.1 without encryption. */
export const HOP_VARIANTS = [
  'http',
  'undici',
  'mesh tls',
  'mesh noise',
  'mesh websocket',
  'mesh quic',
  'fresh tls',
  'fresh noise',
  'fresh quic',
] as const
export type HopVariant = (typeof HOP_VARIANTS)[number]

/**
 * `solo`: exchanges of 1 KB each way, one at a time; `many`: 32 at a time; `stream`: 32 answers of 100 chunks, one each 2 ms;
 * `body`: a body of 64 MiB each way in turn, and exchanges of 1 KB meanwhile.
 */
export type HopLoad = 'solo' | 'many' | 'stream' | 'body'

export interface HopJob {
  readonly variant: HopVariant
  readonly load: HopLoad
  readonly durationMs: number
}

export interface HopResult {
  readonly exchanges: number
  readonly elapsedMs: number
  /** Of the exchanges of 1 KB; of the chunks of a stream, how late each came. */
  readonly p50Ms: number
  readonly p99Ms: number
  /** Both ways of a body; 0 where none was sent. */
  readonly uploadMegabytesPerSecond: number
  readonly downloadMegabytesPerSecond: number
}

/** Where the server of a hop is reached. */
export interface HopAddresses {
  readonly httpPort: number
  readonly node: string
  readonly tcp: string
  readonly websocket: string
  readonly quic: string
}

export const EXCHANGE_BYTES = 1024
export const STREAM_CHUNKS = 100
export const STREAM_CHUNK_BYTES = 100
export const STREAM_GAP_MS = 2
export const BODY_BYTES = 64 * 1024 * 1024
export const BODY_CHUNK_BYTES = 64 * 1024
export const FRESH_PROTOCOL = '/heddle/bench-fresh/1'
