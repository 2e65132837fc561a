/** A TCP socket as a Duplex, so that sessions are tested and measured over a real transport too. */
import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import type { NodeId } from '../../src/core/ids.ts'
import { asNodeId } from '../../src/core/ids.ts'
import type { ByteDuplexEvents } from '../../src/core/mesh/byte-duplex.ts'
import type { Duplex } from '../../src/ports/duplex.ts'

export class SocketDuplex implements Duplex {
  readonly peer: NodeId
  readonly #socket: Socket
  #isEnding = false
  #error: unknown

  constructor(socket: Socket, peer: NodeId) {
    this.#socket = socket
    this.peer = peer
    socket.pause()
    socket.setNoDelay(true)
    // Told by 'close' in due course.
    socket.on('error', (error) => {
      this.#error ??= error
    })
  }

  start(events: ByteDuplexEvents): void {
    const socket = this.#socket
    if (socket.closed) {
      queueMicrotask(() => events.closed(this.#error))
      return
    }
    socket.on('data', (bytes) => events.received(bytes))
    socket.on('drain', () => !this.#isEnding && events.drained())
    socket.on('close', () => events.closed(this.#error))
    socket.resume()
  }

  send(chunks: readonly Uint8Array[]): boolean {
    const socket = this.#socket
    if (this.#isEnding || !socket.writable) return false
    if (chunks.length > 1) socket.cork()
    let isRoom = true
    for (const chunk of chunks) isRoom = socket.write(chunk)
    if (chunks.length > 1) socket.uncork()
    return isRoom
  }

  close(): void {
    this.#isEnding = true
    this.#socket.end()
  }

  abort(error: unknown): void {
    if (this.#isEnding && this.#socket.destroyed) return
    this.#isEnding = true
    this.#error ??= error
    this.#socket.resetAndDestroy()
  }
}

export interface SocketPair extends AsyncDisposable {
  readonly ends: readonly [SocketDuplex, SocketDuplex]
}

/** Two ends of a TCP connection on loopback. */
export async function openSocketPair(): Promise<SocketPair> {
  const server = createServer({ highWaterMark: 256 * 1024 })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('the server has no port')
  const accepted = once(server, 'connection') as Promise<[Socket]>
  const dialled = connect({ port: address.port, host: '127.0.0.1', writableHighWaterMark: 256 * 1024 } as never)
  await once(dialled, 'connect')
  const [socket] = await accepted
  return {
    ends: [new SocketDuplex(dialled, asNodeId('listener')), new SocketDuplex(socket, asNodeId('dialler'))],
    async [Symbol.asyncDispose]() {
      dialled.destroy()
      socket.destroy()
      server.close()
      await once(server, 'close')
    },
  }
}
