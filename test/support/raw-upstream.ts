/** A runtime whose answers are raw bytes, by model: what no HTTP library would let a server send. */
import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'

export interface RawUpstream extends AsyncDisposable {
  /** For `HEDDLE_RUNTIMES`. */
  readonly spec: string
  /** Models asked for, in the order in which the requests came. */
  readonly asked: readonly string[]
  /** Connections opened so far. */
  connections(): number
}

/** Writes an answer; the connection stays open unless it closes it. */
export type RawAnswer = (socket: Socket) => void

/** Speaks just enough HTTP to be registered; each connection carries one request at a time. */
export async function startRawUpstream(answers: Readonly<Record<string, RawAnswer>>): Promise<RawUpstream> {
  const asked: string[] = []
  const sockets = new Set<Socket>()
  let connections = 0
  const models = JSON.stringify({
    object: 'list',
    data: Object.keys(answers).map((id) => ({ id, object: 'model', created: 1, owned_by: 'test' })),
  })
  const server = createServer((socket) => {
    connections += 1
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
    socket.on('error', () => {})
    let received = Buffer.alloc(0)
    socket.on('data', (chunk: Buffer) => {
      received = Buffer.concat([received, chunk])
      const headEnd = received.indexOf('\r\n\r\n')
      if (headEnd < 0) return
      const head = received.toString('latin1', 0, headEnd)
      const length = Number(/^content-length: (\d+)$/im.exec(head)?.[1] ?? 0)
      if (received.length < headEnd + 4 + length) return
      const body = received.toString('utf8', headEnd + 4, headEnd + 4 + length)
      received = received.subarray(headEnd + 4 + length)
      if (head.startsWith('GET /health')) socket.write('HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n')
      else if (head.startsWith('GET /v1/models')) socket.write(rawAnswer(models))
      else {
        const { model } = JSON.parse(body) as { readonly model: string }
        asked.push(model)
        answers[model]?.(socket)
      }
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    spec: `openai:http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked,
    connections: () => connections,
    async [Symbol.asyncDispose]() {
      const closed = once(server, 'close')
      server.close()
      for (const socket of sockets) socket.destroy()
      await closed
    },
  }
}

/** A valid answer with `body`, and `extra` header lines. */
export function rawAnswer(body: string, extra = '', type = 'application/json'): string {
  return `HTTP/1.1 200 OK\r\ncontent-type: ${type}\r\ncontent-length: ${Buffer.byteLength(body)}\r\n${extra}\r\n${body}`
}
