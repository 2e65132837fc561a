/** An HTTP server that sends exactly the bytes it is told to, in exactly the pieces, right or wrong. */
import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { setImmediate as turn } from 'node:timers/promises'

export interface RawAnswer {
  /** Each piece is a write of its own, with a turn of the event loop between. */
  readonly pieces: readonly (string | Uint8Array)[]
  /** What becomes of the connection then; `keep` by default. */
  readonly after?: 'keep' | 'end' | 'reset' | undefined
}

export interface RawRequest {
  readonly method: string
  readonly path: string
  readonly text: string
  readonly socket: Socket
  /** How many requests this connection has carried, this one included. */
  readonly nth: number
}

export interface RawHttpServer extends AsyncDisposable {
  readonly origin: string
  /** Connections that are open now. */
  readonly sockets: ReadonlySet<Socket>
  /** Connections ever accepted. */
  readonly accepted: () => number
}

/** `answer` gives undefined where nothing is to be sent. Requests may have a body with a length, or none. */
export async function rawHttpServer(answer: (request: RawRequest) => RawAnswer | undefined): Promise<RawHttpServer> {
  const sockets = new Set<Socket>()
  let accepted = 0
  const server = createServer({ noDelay: true, allowHalfOpen: true }, (socket) => {
    accepted += 1
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
    socket.on('error', () => socket.destroy())
    socket.on('end', () => socket.end())
    serve(socket, answer)
  })
  server.listen({ port: 0, host: '127.0.0.1', backlog: 2048 })
  await once(server, 'listening')
  return {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    sockets,
    accepted: () => accepted,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      server.close()
      await once(server, 'close')
    },
  }
}

function serve(socket: Socket, answer: (request: RawRequest) => RawAnswer | undefined): void {
  let text = ''
  let nth = 0
  let sending = Promise.resolve()
  socket.on('data', (bytes) => {
    text += bytes.toString('latin1')
    for (
      let length = requestLength(text);
      length !== undefined && length <= text.length;
      length = requestLength(text)
    ) {
      const whole = text.slice(0, length)
      text = text.slice(length)
      nth += 1
      const [method = '', path = ''] = whole.split(' ', 2)
      const reply = answer({ method, path, text: whole, socket, nth })
      if (reply !== undefined) sending = sending.then(() => send(socket, reply))
    }
  })
}

function requestLength(text: string): number | undefined {
  const headEnd = text.indexOf('\r\n\r\n')
  if (headEnd === -1) return undefined
  return headEnd + 4 + Number(/\r\ncontent-length: (\d+)/.exec(text.slice(0, headEnd))?.[1] ?? 0)
}

async function send(socket: Socket, { pieces, after = 'keep' }: RawAnswer): Promise<void> {
  let isFirst = true
  for (const piece of pieces) {
    if (!isFirst) await turn()
    isFirst = false
    if (socket.destroyed) return
    socket.write(piece)
  }
  if (after === 'end') socket.end()
  if (after === 'reset') {
    await turn()
    socket.resetAndDestroy()
  }
}
