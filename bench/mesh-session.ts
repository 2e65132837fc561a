/** Micro benchmark of mesh sessions, both ends in one process: `npm exec node bench/mesh-session.ts [memory|tcp] [seconds]`. */
import { MemoryDuplex, type MemoryLink } from '../src/adapters/memory/memory-duplex.ts'
import { SystemClock } from '../src/adapters/system/system-clock.ts'
import { bodyOf } from '../src/core/byte-channel.ts'
import { asNodeId, asRequestId } from '../src/core/ids.ts'
import { MeshSession } from '../src/core/mesh/session.ts'
import type { MessageRequest, MessageResponse } from '../src/core/message.ts'
import type { Duplex } from '../src/ports/duplex.ts'
import { openSocketPair } from '../test/support/socket-duplex.ts'

type Session = MeshSession<AbortSignal>

const SMALL = new Uint8Array(1024).fill(120)
const LARGE_BYTES = 64 * 1024 * 1024
const CHUNK = new Uint8Array(64 * 1024).fill(7)

/** Delivers with the next turn of the event loop, as a socket would. */
function link(): MemoryLink {
  let tasks: (() => void)[] = []
  const deliver = (): void => {
    const due = tasks
    tasks = []
    for (const each of due) each()
  }
  return {
    carry(_bytes, task) {
      if (tasks.push(task) === 1) setImmediate(deliver)
    },
    soon: setImmediate,
  }
}

function openSessions([near, far]: readonly [Duplex, Duplex]): readonly [Session, Session] {
  const deps = {
    clock: new SystemClock(),
    schedule: setImmediate,
    openCancel: () => new AbortController(),
    onRequest: serve,
    onEnd: () => {},
  }
  return [
    new MeshSession<AbortSignal>({ ...deps, duplex: near }, { side: 'dialler' }),
    new MeshSession<AbortSignal>({ ...deps, duplex: far }, { side: 'listener' }),
  ]
}

async function serve({ path, body }: MessageRequest): Promise<MessageResponse> {
  if (path === '/large') return { status: 200, headers: {}, body: large() }
  let bytes = 0
  if (body instanceof Uint8Array) bytes = body.length
  else if (body !== undefined) for await (const chunk of body) bytes += chunk.length
  if (bytes !== SMALL.length && bytes !== LARGE_BYTES) throw new Error(`a body of ${bytes} bytes came`)
  return { status: 200, headers: { 'content-type': 'application/json', 'content-length': '1024' }, body: bodyOf(SMALL) }
}

async function* large(): AsyncGenerator<Uint8Array> {
  for (let sent = 0; sent < LARGE_BYTES; sent += CHUNK.length) yield CHUNK
}

let requests = 0
async function exchange(session: Session, path: string, body: MessageRequest['body'], bytes: number): Promise<void> {
  requests += 1
  const request: MessageRequest = {
    id: asRequestId(`req_${String(requests).padStart(24, '0')}`),
    service: 'llm',
    method: 'POST',
    path,
    headers: { 'content-type': 'application/json', accept: 'application/json', 'user-agent': 'openai/7.55.0' },
    body,
  }
  const { signal } = new AbortController()
  const response = await session.request(request, { signal })
  let received = 0
  for await (const chunk of response.body) received += chunk.length
  if (response.status !== 200 || received !== bytes) throw new Error(`${response.status} with ${received} bytes`)
}

const small = (session: Session): Promise<void> => exchange(session, '/v1/chat/completions', SMALL, SMALL.length)

/** Small requests, `concurrency` at a time, until `isOver`. */
async function load(session: Session, concurrency: number, isOver: () => boolean): Promise<string> {
  const times: number[] = []
  const startedAt = performance.now()
  const cpu = process.cpuUsage()
  const loop = async (): Promise<void> => {
    while (!isOver()) {
      const from = performance.now()
      await small(session)
      times.push(performance.now() - from)
    }
  }
  await Promise.all(Array.from({ length: concurrency }, loop))
  const { user, system } = process.cpuUsage(cpu)
  const seconds = (performance.now() - startedAt) / 1_000
  times.sort((a, b) => a - b)
  const at = (part: number): string => (times[Math.floor(times.length * part)] ?? 0).toFixed(3)
  const each = ((user + system) / times.length).toFixed(1)
  return `${Math.round(times.length / seconds)} req/s, p50 ${at(0.5)} ms, p99 ${at(0.99)} ms, ${each} µs CPU of both ends per request`
}

async function loadFor(session: Session, concurrency: number, ms: number): Promise<string> {
  const endsAt = performance.now() + ms
  return load(session, concurrency, () => performance.now() >= endsAt)
}

async function throughput(run: () => Promise<void>): Promise<string> {
  const startedAt = performance.now()
  await run()
  return `${(LARGE_BYTES / 1e3 / (performance.now() - startedAt)).toFixed(0)} MB/s`
}

async function main(transport: string, seconds: number): Promise<void> {
  await using sockets = transport === 'tcp' ? await openSocketPair() : undefined
  const [a, b] = [
    { id: asNodeId('a'), link: link() },
    { id: asNodeId('b'), link: link() },
  ]
  const [dialler, listener] = openSessions(sockets?.ends ?? MemoryDuplex.pair(a, b))
  await loadFor(dialler, 50, 1_000)
  console.log(`${transport}, 1 KB each way`)
  for (const concurrency of [50, 1])
    console.log(`  c=${concurrency}: ${await loadFor(dialler, concurrency, seconds * 1_000)}`)
  const down = (): Promise<void> => exchange(dialler, '/large', undefined, LARGE_BYTES)
  const up = (): Promise<void> => exchange(dialler, '/up', large(), SMALL.length)
  console.log(`${transport}, 64 MiB`)
  await down()
  for (let round = 0; round < 3; round += 1) console.log(`  down ${await throughput(down)}, up ${await throughput(up)}`)
  let isOver = false
  const bodies = (async () => {
    for (let round = 0; round < 5; round += 1) await down()
    isOver = true
  })()
  console.log(`  another request meanwhile, c=1: ${await load(dialler, 1, () => isOver)}`)
  await bodies
  dialler.close()
  listener.close()
}

const [transport = 'memory', seconds = '3'] = process.argv.slice(2)
if (transport !== 'memory' && transport !== 'tcp') throw new Error('the transport is memory or tcp')
await main(transport, Number(seconds))
