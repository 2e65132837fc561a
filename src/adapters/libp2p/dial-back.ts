/** AutoNAT, so that the dials by which it proves an address never end a connection that is in use. */
import { type AutoNATComponents, type AutoNATServiceInit, autoNAT } from '@libp2p/autonat'

type Components = AutoNATComponents
type Connect = Components['connectionManager']['openConnection']

/**
 * It closes each connection that a dial back gave it. libp2p answers such a dial with a connection that exists already where it can,
 * which would be the very one over which the peer asked; so the dial is made to open one of its own.
 */
export function dialBack(init: AutoNATServiceInit): (components: Components) => unknown {
  return (components) => {
    const { connectionManager } = components
    const openConnection: Connect = (target, options) =>
      connectionManager.openConnection(target, isAddress(target) ? { ...options, force: true } : options)
    const manager = new Proxy(connectionManager, {
      get: (from, key) => (key === 'openConnection' ? openConnection : bound(from, key)),
    })
    return autoNAT(init)(
      new Proxy(components, {
        get: (from, key) => (key === 'connectionManager' ? manager : Reflect.get(from, key)) as unknown,
      }),
    )
  }
}

/** One address is dialled back; a list of them is a peer to ask. */
function isAddress(target: Parameters<Connect>[0]): boolean {
  return !Array.isArray(target) && 'getComponents' in target
}

/** Methods of the manager use its private fields, which a proxy does not have. */
function bound(from: object, key: string | symbol): unknown {
  const value: unknown = Reflect.get(from, key)
  return typeof value === 'function' ? (value.bind(from) as unknown) : value
}
