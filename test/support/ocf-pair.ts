/** Two nodes of a network, one of which has a service that is no LLM, for tests of OCF's dialect. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { request as httpRequest, type IncomingMessage, type OutgoingHttpHeaders, type ServerResponse } from 'node:http'
import { connect } from 'node:net'
import type { Status } from '../../src/core/wire/admin.ts'
import { OcfTable } from '../../src/core/wire/ocf.ts'
import { type LoopbackServer, listenOnLoopback, readBody, sendJson } from './runtime-server.ts'
import { startTestNode, type TestNode } from './test-node.ts'
import { waitUntil } from './wait-until.ts'

/** A node of a network that only those in this process join. */
export const MESH = { HEDDLE_MODE: 'node', HEDDLE_MESH_LISTEN: '127.0.0.1:0', HEDDLE_MESH_LAN: 'false' }

export interface Seen {
  readonly method: string
  readonly url: string
  readonly headers: IncomingMessage['headers']
}

/** A service that is no LLM: it echoes, breaks, answers nonsense or reads slowly, as its path says. */
export class Workshop {
  readonly seen: Seen[] = []
  readonly server: LoopbackServer
  /** Lets `/stalled` read. */
  go = Promise.withResolvers<void>()

  private constructor(server: LoopbackServer) {
    this.server = server
  }

  static async start(): Promise<Workshop> {
    const late = Promise.withResolvers<Workshop>()
    const server = await listenOnLoopback((request, response) => {
      // Some clients leave in the middle.
      late.promise.then((workshop) => workshop.#answer(request, response)).catch(() => response.destroy())
    })
    const workshop = new Workshop(server)
    late.resolve(workshop)
    return workshop
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = '', url = '', headers } = request
    if (method === 'HEAD' && url === '/') return void response.end()
    this.seen.push({ method, url, headers })
    const path = url.split('?', 1)[0]
    if (path === '/echo') {
      response.writeHead(200, {
        'content-type': headers['content-type'] ?? 'application/octet-stream',
        'set-cookie': 'a=b',
      })
      response.flushHeaders()
      return void request.pipe(response)
    }
    if (path === '/stalled') {
      await this.go.promise
      return sendJson(response, 200, { bytes: (await readBody(request)).length })
    }
    if (path === '/broken') {
      response.writeHead(200, { 'content-type': 'text/plain' })
      response.write('the beginning')
      return void setTimeout(() => request.socket.resetAndDestroy(), 50)
    }
    if (path === '/reset') return void request.socket.resetAndDestroy()
    if (path === '/page')
      return void response.writeHead(200, { 'content-type': 'text/html' }).end('<script>alert(1)</script>')
    if (path === '/events') {
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      return void response.end('data: one\n\n')
    }
    if (path === '/teapot') return sendJson(response, 418, { is: 'a teapot' })
    await readBody(request)
    sendJson(response, 200, { method, url })
  }
}

async function statusOf(node: TestNode): Promise<Status> {
  return (await (await node.get('/api/v1/status', node.adminKey)).json()) as Status
}

/** Speaks HTTP by hand, so that nothing tidies the path up. */
export async function rawRequest(
  node: TestNode,
  target: string,
  { method = 'GET', headers = {} }: { method?: string; headers?: Readonly<Record<string, string>> } = {},
): Promise<{ readonly status: number; readonly text: string }> {
  const { hostname, port, host } = new URL(node.url)
  const socket = connect(Number(port), hostname)
  const lines = [`${method} ${target} HTTP/1.1`, `host: ${host}`, 'connection: close']
  for (const [name, value] of Object.entries({ authorization: `Bearer ${node.key}`, ...headers }))
    lines.push(`${name}: ${value}`)
  socket.write(`${lines.join('\r\n')}\r\n\r\n`)
  let text = ''
  for await (const chunk of socket.setEncoding('utf8')) text += String(chunk)
  return { status: Number(/^HTTP\/1\.1 (\d{3})/.exec(text)?.[1] ?? 0), text }
}

export interface Sent {
  readonly outgoing: ReturnType<typeof httpRequest>
  readonly answered: Promise<IncomingMessage>
}

export function send(node: TestNode, method: string, path: string, headers: OutgoingHttpHeaders = {}): Sent {
  const outgoing = httpRequest(node.url + path, {
    method,
    headers: { authorization: `Bearer ${node.key}`, ...headers },
    agent: false,
  })
  const answered = once(outgoing, 'response').then(([response]) => response as IncomingMessage)
  answered.catch(() => undefined)
  outgoing.on('error', () => undefined)
  return { outgoing, answered }
}

/** How a call ended: its status and code, or that the connection was cut. */
export async function outcome(response: Response): Promise<readonly [number, string]> {
  const body = (await response.json()) as { error?: { code?: string } }
  return [response.status, body.error?.code ?? '']
}

/** What Axiom would get. */
type Event = Readonly<Record<string, string>>

export interface OcfPair extends AsyncDisposable {
  /** Asked by the tests; has the model `own`. */
  readonly head: TestNode
  readonly headId: string
  /** Has the model `gpt2`, and the workshop as the services `workshop` and, in the group `shape=round`, `picky`. */
  readonly worker: TestNode
  readonly workerId: string
  readonly workshop: Workshop
  /** Reported by the head. */
  readonly events: Event[]
}

export async function startOcfPair(): Promise<OcfPair> {
  await using opened = new AsyncDisposableStack()
  const workshop = await Workshop.start()
  opened.use(workshop.server)
  const events: Event[] = []
  const axiom = opened.use(
    await listenOnLoopback((request, response) => {
      void readBody(request).then((body) => {
        events.push(...(JSON.parse(body.toString()) as Event[]))
        sendJson(response, 200, {})
      })
    }),
  )
  const worker = opened.use(
    await startTestNode({ ...MESH, HEDDLE_NAME: 'worker', HEDDLE_RUNTIMES: 'script:gpt2?tokens=8' }),
  )
  const { node, mesh } = await statusOf(worker)
  const head = opened.use(
    await startTestNode({
      ...MESH,
      HEDDLE_NAME: 'head',
      HEDDLE_RUNTIMES: 'script:own?tokens=8',
      HEDDLE_BOOTSTRAP: mesh.addresses.find((address) => address.includes('/tcp/')) ?? '',
      AXIOM_TOKEN: 'xaat-1',
      AXIOM_DATASET: 'ocf',
      AXIOM_URL: axiom.url,
    }),
  )
  const headId = (await statusOf(head)).node.id
  await registerWorkshop(worker, workshop)
  await untilListed(head, node.id)
  const running = opened.move()
  return {
    head,
    headId,
    worker,
    workerId: node.id,
    workshop,
    events,
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  }
}

async function registerWorkshop(worker: TestNode, { server }: Workshop): Promise<void> {
  const place = { host: '127.0.0.1', port: String(server.port) }
  const response = await fetch(`${worker.url}/v1/dnt/_node`, {
    method: 'POST',
    headers: { authorization: `Bearer ${worker.adminKey}`, 'content-type': 'application/json' },
    body: JSON.stringify({
      id: 'whoever',
      service: [
        { name: 'workshop', ...place, identity_group: [] },
        { name: 'picky', ...place, identity_group: ['shape=round'] },
      ],
    }),
  })
  assert.equal(response.status, 200)
  assert.equal(await response.text(), '')
}

async function untilListed(head: TestNode, worker: string): Promise<void> {
  const isListed = async (): Promise<boolean> => {
    const table = OcfTable.parse(await (await head.get('/v1/dnt/table')).json())
    return table[`/${worker}`]?.service.filter(({ status }) => status === 'connected').length === 3
  }
  await waitUntil(isListed, 'the head to list the services of the worker', 20_000)
}
