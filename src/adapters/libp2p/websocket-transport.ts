/** WebSocket, whose connections end when they are given up: libp2p's own resets them with a code that no WebSocket may send. */
import type { MultiaddrConnection, Upgrader } from '@libp2p/interface'
import { webSockets } from '@libp2p/websockets'
import type { Libp2pInit } from 'libp2p'

type TransportFactory = NonNullable<Libp2pInit['transports']>[number]

/** The parts of libp2p's WebSocket connections that end them. They are no part of its interface, so `resetting` looks for each. */
interface SocketHooks {
  sendReset(): void
  readonly websocket: { close(code: number): void; terminate?(): void }
}

/** From the range that applications may use; the other side learns no more of it than that the connection ended. */
const GIVEN_UP = 4_000

export function endingWebSockets(init: Parameters<typeof webSockets>[0]): TransportFactory {
  const open = webSockets(init)
  return (components) => {
    const transport = open(components)
    const dial = transport.dial.bind(transport)
    const createListener = transport.createListener.bind(transport)
    transport.dial = (address, options) => dial(address, { ...options, upgrader: resettingUpgrader(options.upgrader) })
    transport.createListener = (options) =>
      createListener({ ...options, upgrader: resettingUpgrader(options.upgrader) })
    return transport
  }
}

/** The one place where a connection can be had before anybody uses it. */
function resettingUpgrader(upgrader: Upgrader): Upgrader {
  return {
    upgradeInbound: (connection, options) => upgrader.upgradeInbound(resetting(connection), options),
    upgradeOutbound: (connection, options) => upgrader.upgradeOutbound(resetting(connection), options),
    createInboundAbortSignal: (signal) => upgrader.createInboundAbortSignal(signal),
    getStreamMuxers: () => upgrader.getStreamMuxers(),
    getConnectionEncrypters: () => upgrader.getConnectionEncrypters(),
  }
}

function resetting(connection: MultiaddrConnection): MultiaddrConnection {
  const hooks = connection as unknown as Partial<SocketHooks>
  const { websocket } = hooks
  if (typeof hooks.sendReset !== 'function' || typeof websocket?.close !== 'function')
    throw new TypeError('this version of libp2p resets WebSockets otherwise')
  hooks.sendReset = () => {
    // Those that were accepted can be ended without a word, those that were dialled only with one.
    if (websocket.terminate === undefined) websocket.close(GIVEN_UP)
    else websocket.terminate()
  }
  return connection
}
