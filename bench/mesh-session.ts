/** Micro benchmark of mesh sessions over a pair in memory: `node bench/mesh-session.ts [seconds]`. */

import { MemoryDuplex, type MemoryLink } from '../src/adapters/memory/memory-duplex.ts'
import { SystemClock } from '../src/adapters/system/system-clock.ts'
import { bodyOf } from '../src/core/byte-channel.ts'
import { asNodeId, asRequestId } from '../src/core/ids.ts'
import { MeshSession } from '../src/core/mesh/session.ts'
import type { MessageRequest, MessageResponse } from '../src/core/message.ts'

const CONCURRENCY = 50
const BODY = new Uint8Array(1024).fill(120)
const LARGE_BYTES = 64 * 1024 * 1024
const CHUNK = new Uint8Array(64 * 1024).fill(7)
const seconds = Number(process.argv[2] ?? 3)

/** Delivers with the next turn of the event loop, as a socket would. */
function link(): MemoryLink {
  let tasks: (() => void)[] = []
  return {
    carry(_bytes, task) {
      tasks.push(task)
      if (tasks.length > 1) return
      setImmediate(() => {
        const due = tasks
        tasks = []
        for (const each of due) each()
      })
    },
    soon: setImmediate,
  }
}

function open(): readonly [MeshSession<AbortSignal>, MeshSession<AbortSignal>] {
  const [a, b] = MemoryDuplex.pair({ id: asNodeId('a'), link: link() }, { id: asNodeId('b'), link: link() })
  const clock = new SystemClock()
  const deps = {
    clock,
    schedule: (task: () => void) => void setImmediate(task),
    openCancel: () => new AbortController(),
    onRequest: answer,
    onEnd: () => {},
  }
  return [
    new MeshSession({ ...deps, duplex: a }, { side: 'dialler' }),
    new MeshSession({ ...deps, duplex: b }, { side: 'listener' }),
  ]
}

async function answer(request: MessageRequest): Promise<MessageResponse> {
  if (request.path === '/large') return { status: 200, headers: {}, body: large() }
  let bytes = 0
  if (request.body instanceof Uint8Array) bytes = request.body.length
  else if (request.body !== undefined) for await (const chunk of request.body) bytes += chunk.length
  if (bytes !== BODY.length && bytes !== LARGE_BYTES) throw new Error(`a body of ${bytes} bytes came`)
  return { status: 200, headers: { 'content-type': 'application/json', 'content-length': '1024' }, body: bodyOf(BODY) }
}

async function* large(): AsyncGenerator<Uint8Array> {
  for (let sent = 0; sent < LARGE_BYTES; sent += CHUNK.length) yield CHUNK
}

let counter = 0
function request(path: string, body: MessageRequest['body']): MessageRequest {
  counter += 1
  return {
    id: asRequestId(`req_${String(counter).padStart(24, '0')}`),
    service: 'llm',
    method: 'POST',
    path,
    headers: { 'content-type': 'application/json', accept: 'application/json', 'user-agent': 'openai/7.55.0' },
    body,
  }
}

async function exchange(session: MeshSession<AbortSignal>, message: MessageRequest, bytes: number): Promise<void> {
  const { signal } = new AbortController()
  const response = await session.request(message, { signal })
  let received = 0
  for await (const chunk of response.body) received += chunk.length
  if (response.status !== 200 || received !== bytes) throw new Error(`${response.status} with ${received} bytes`)
}

async function small(session: MeshSession<AbortSignal>, concurrency: number, ms: number): Promise<void> {
  const endsAt = performance.now() + ms
  const times: number[] = []
  let done = 0
  const startedAt = performance.now()
  const cpu = process.cpuUsage()
  const loop = async (): Promise<void> => {
    while (performance.now() < endsAt) {
      const from = performance.now()
      await exchange(session, request('/v1/chat/completions', BODY), BODY.length)
      times.push(performance.now() - from)
      done += 1
    }
  }
  await Promise.all(Array.from({ length: concurrency }, loop))
  const spent = process.cpuUsage(cpu)
  const elapsed = (performance.now() - startedAt) / 1000
  times.sort((a, b) => a - b)
  const at = (part: number): string => (times[Math.floor(times.length * part)] ?? 0).toFixed(3)
  console.log(
    `c=${concurrency}: ${Math.round(done / elapsed)} req/s, p50 ${at(0.5)} ms, p99 ${at(0.99)} ms, ${((spent.user + spent.system) / done).toFixed(1)} us CPU per request`,
  )
}

async function throughput(session: MeshSession<AbortSignal>, name: string, run: () => Promise<void>): Promise<void> {
  const startedAt = performance.now()
  await run()
  const elapsed = (performance.now() - startedAt) / 1000
  console.log(`${name}: ${(LARGE_BYTES / 1e6 / elapsed).toFixed(0)} MB/s (${session.inFlight} open after it)`)
}

const [dialler, listener] = open()
await small(dialler, CONCURRENCY, 1000)
await small(dialler, CONCURRENCY, seconds * 1000)
await small(dialler, 1, 1000)
for (let round = 0; round < 3; round += 1) {
  await throughput(dialler, '64 MiB down', () => exchange(dialler, request('/large', undefined), LARGE_BYTES))
  await throughput(dialler, '64 MiB up', () => exchange(dialler, request('/up', large()), BODY.length))
}
dialler.close()
listener.close()
