/** The near end of a hop, a process of its own: sends what it is asked to and times it. */
import { inspect } from 'node:util'
import { percentileOf } from '../measure/statistics.ts'
import {
  BODY_BYTES,
  EXCHANGE_BYTES,
  type HopAddresses,
  type HopJob,
  type HopResult,
  type HopVariant,
  STREAM_CHUNK_BYTES,
  STREAM_CHUNKS,
} from './hop-job.ts'
import { bytesOf, largeBody, sharedMs } from './hop-service.ts'
import { openWay, type Way } from './hop-ways.ts'

const MANY = 32
const QUESTION = new Uint8Array(EXCHANGE_BYTES).fill(113)

type Timed = Pick<HopResult, 'exchanges' | 'p50Ms' | 'p99Ms'> & Partial<HopResult>

const ways = new Map<HopVariant, Promise<Way>>()

async function exchange(way: Way, path = '/small'): Promise<void> {
  const bytes = await bytesOf(await way.send(path, QUESTION))
  if (bytes !== EXCHANGE_BYTES) throw new Error(`${bytes} bytes came back`)
}

/** Exchanges of 1 KB, `atOnce` at a time, until `isOver`. */
async function exchanges(way: Way, atOnce: number, isOver: () => boolean): Promise<Timed> {
  const times: number[] = []
  const loop = async (): Promise<void> => {
    while (!isOver()) {
      const from = performance.now()
      await exchange(way)
      times.push(performance.now() - from)
    }
  }
  await Promise.all(Array.from({ length: atOnce }, loop))
  return { exchanges: times.length, p50Ms: percentileOf(times, 0.5), p99Ms: percentileOf(times, 0.99) }
}

/** Streams of paced chunks; the times are how late each chunk came. */
async function streams(way: Way, isOver: () => boolean): Promise<Timed> {
  const lateMs: number[] = []
  let streamsRead = 0
  const loop = async (): Promise<void> => {
    while (!isOver()) {
      let rest: Buffer = Buffer.alloc(0)
      let chunks = 0
      for await (const bytes of await way.send('/stream', QUESTION)) {
        rest =
          rest.length === 0 ? Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length) : Buffer.concat([rest, bytes])
        for (; rest.length >= STREAM_CHUNK_BYTES; rest = rest.subarray(STREAM_CHUNK_BYTES)) {
          lateMs.push(sharedMs() - rest.readDoubleBE())
          chunks += 1
        }
      }
      if (chunks !== STREAM_CHUNKS) throw new Error(`a stream of ${chunks} chunks came`)
      streamsRead += 1
    }
  }
  await Promise.all(Array.from({ length: MANY }, loop))
  return { exchanges: streamsRead, p50Ms: percentileOf(lateMs, 0.5), p99Ms: percentileOf(lateMs, 0.99) }
}

/** Large bodies one after another, with exchanges of 1 KB meanwhile. */
async function bodies(way: Way, isOver: () => boolean): Promise<Timed> {
  const took = { up: 0, down: 0 }
  let count = 0
  let areDone = false
  const timed = async (task: () => Promise<void>): Promise<number> => {
    const from = performance.now()
    await task()
    return performance.now() - from
  }
  const sending = async (): Promise<void> => {
    do {
      took.down += await timed(async () => {
        if ((await bytesOf(await way.send('/download', undefined))) !== BODY_BYTES)
          throw new Error('a body is too short')
      })
      took.up += await timed(async () => void (await bytesOf(await way.send('/upload', largeBody()))))
      count += 1
    } while (!isOver())
    areDone = true
  }
  const [meanwhile] = await Promise.all([exchanges(way, 1, () => areDone), sending()])
  const speed = (ms: number): number => (count * BODY_BYTES) / 1e3 / ms
  return { ...meanwhile, uploadMegabytesPerSecond: speed(took.up), downloadMegabytesPerSecond: speed(took.down) }
}

async function run({ variant, load, durationMs }: HopJob, addresses: HopAddresses): Promise<HopResult> {
  const opening = ways.get(variant) ?? openWay(variant, addresses)
  ways.set(variant, opening)
  const way = await opening
  const from = performance.now()
  const isOver = (): boolean => performance.now() - from >= durationMs
  const timed =
    load === 'stream'
      ? await streams(way, isOver)
      : load === 'body'
        ? await bodies(way, isOver)
        : await exchanges(way, load === 'many' ? MANY : 1, isOver)
  return { elapsedMs: performance.now() - from, uploadMegabytesPerSecond: 0, downloadMegabytesPerSecond: 0, ...timed }
}

const found = Promise.withResolvers<HopAddresses>()
process.on('message', (message: HopJob | HopAddresses) => {
  if ('node' in message) {
    found.resolve(message)
    process.send?.('ready')
    return
  }
  found.promise
    .then((addresses) => run(message, addresses))
    .then(
      (result) => process.send?.(result),
      (error: unknown) => {
        process.stderr.write(`${inspect(error)}\n`)
        process.exit(1)
      },
    )
})
// The open sessions would keep it alive.
process.once('SIGTERM', () => process.exit(0))
