/** The streaming load client: a process of its own that opens streams, checks every frame and counts. */
import { connect, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { percentileOf } from '../measure/statistics.ts'
import { chatRequest } from '../mock-upstream/openai-shapes.ts'
import { expectedFrames, FrameChecker } from './frame-checker.ts'
import { ResponseReader } from './response-reader.ts'
import type { StreamJob, StreamResult } from './stream-job.ts'

const STREAM_TIMEOUT_MS = 90_000
const ERROR_SAMPLES = 5
/** After a failure a connection rests, so that a dead target is not hammered. */
const PAUSE_AFTER_ERROR_MS = 50

interface StreamEnd {
  readonly heard: boolean
  /** Whether the HTTP body came to its proper end. */
  readonly complete: boolean
  readonly problem: string | undefined
}

class Tally {
  streams = 0
  intactStreams = 0
  framesIntact = 0
  framesLost = 0
  framesWrong = 0
  errors = 0
  active = 0
  mostAtOnce = 0
  readonly errorSamples: string[] = []
  readonly firstFrameMs: number[] = []
  readonly streamMs: number[] = []

  /** The first frame of a stream came: from now on it counts as running. */
  heard(sinceBeginMs: number): void {
    this.firstFrameMs.push(sinceBeginMs)
    this.active += 1
    this.mostAtOnce = Math.max(this.mostAtOnce, this.active)
  }

  end(checker: FrameChecker, { heard, complete, problem }: StreamEnd): void {
    if (heard) this.active -= 1
    this.streams += 1
    const counts = checker.finish()
    this.framesIntact += counts.intact
    this.framesLost += counts.lost
    this.framesWrong += counts.wrong
    if (complete && counts.done && counts.lost === 0 && counts.wrong === 0) this.intactStreams += 1
    if (problem === undefined) return
    this.errors += 1
    if (this.errorSamples.length < ERROR_SAMPLES) this.errorSamples.push(problem)
  }
}

function requestText(job: StreamJob, port: number): string {
  const body = chatRequest(job.model, true)
  const headers = Object.entries({
    host: `127.0.0.1:${port}`,
    'content-type': 'application/json',
    accept: 'text/event-stream',
    ...job.headers,
  })
  const head = headers.map(([name, value]) => `${name}: ${value}\r\n`).join('')
  return `POST /v1/chat/completions HTTP/1.1\r\n${head}content-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`
}

/** Sends one request on `socket` and reads its answer; the result says whether the connection can be used again. */
function readStream(socket: Socket, request: string, expected: readonly string[], tally: Tally): Promise<boolean> {
  const reader = new ResponseReader()
  const checker = new FrameChecker(expected)
  const beganAt = performance.now()
  let heard = false
  return new Promise((resolve) => {
    const finish = (complete: boolean, problem?: string): void => {
      socket.removeAllListeners('data').removeAllListeners('close').removeAllListeners('timeout')
      tally.end(checker, { heard, complete, problem })
      if (complete) tally.streamMs.push(performance.now() - beganAt)
      const reusable = complete && !reader.closes
      if (!reusable) socket.destroy()
      resolve(reusable)
    }
    socket.on('data', (data: Buffer) => {
      try {
        const { text, ended } = reader.push(data.toString('latin1'))
        if (text !== '') {
          if (!heard) tally.heard(performance.now() - beganAt)
          heard = true
          checker.push(text)
        }
        if (ended) finish(true)
      } catch (error) {
        finish(false, error instanceof Error ? error.message : 'unreadable')
      }
    })
    socket.on('close', () => finish(false, 'the connection broke'))
    socket.on('timeout', () => finish(false, `nothing came for ${STREAM_TIMEOUT_MS} ms`))
    socket.write(request)
  })
}

function open(port: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true })
    socket.setTimeout(STREAM_TIMEOUT_MS)
    socket.once('connect', () => resolve(socket))
    socket.on('error', reject) // after connecting, `close` follows and tells the reader
  })
}

async function runConnection(
  job: StreamJob,
  index: number,
  until: number,
  expected: readonly string[],
  tally: Tally,
): Promise<void> {
  await sleep((job.rampMs * index) / job.connections)
  const port = job.ports[index % job.ports.length] as number
  const request = requestText(job, port)
  let socket: Socket | undefined
  do {
    if (socket?.destroyed === true) socket = undefined
    try {
      socket ??= await open(port)
    } catch (error) {
      const problem = error instanceof Error ? error.message : 'no connection'
      tally.end(new FrameChecker(expected), { heard: false, complete: false, problem })
      await sleep(PAUSE_AFTER_ERROR_MS)
      continue
    }
    const errorsBefore = tally.errors
    if (!(await readStream(socket, request, expected, tally))) socket = undefined
    if (tally.errors > errorsBefore) await sleep(PAUSE_AFTER_ERROR_MS)
  } while (performance.now() < until)
  socket?.destroy()
}

/** A target that answered nothing has no times; its errors say so. */
function percentileOrZero(values: readonly number[], share: number): number {
  return values.length === 0 ? 0 : percentileOf(values, share)
}

async function run(job: StreamJob): Promise<StreamResult> {
  const tally = new Tally()
  const expected = expectedFrames(job.model)
  const beganAt = performance.now()
  const until = beganAt + job.durationMs
  await Promise.all(
    Array.from({ length: job.connections }, (_, index) => runConnection(job, index, until, expected, tally)),
  )
  return {
    streams: tally.streams,
    intactStreams: tally.intactStreams,
    framesIntact: tally.framesIntact,
    framesLost: tally.framesLost,
    framesWrong: tally.framesWrong,
    errors: tally.errors,
    errorSamples: tally.errorSamples,
    elapsedMs: performance.now() - beganAt,
    mostAtOnce: tally.mostAtOnce,
    firstFrameP50Ms: percentileOrZero(tally.firstFrameMs, 0.5),
    firstFrameP99Ms: percentileOrZero(tally.firstFrameMs, 0.99),
    streamP50Ms: percentileOrZero(tally.streamMs, 0.5),
  }
}

process.on('message', (job: StreamJob) => {
  run(job).then(
    (result) => process.send?.(result),
    (error: unknown) => {
      process.stderr.write(`${error instanceof Error ? error.stack : String(error)}\n`)
      process.exit(1)
    },
  )
})
