/** `heddle peers connect`: dials a peer at its multiaddr. */
import type { ConnectedPeer, ConnectPeer } from '../../core/wire/admin-mesh.ts'
import type { Context } from '../context.ts'
import { EXIT, type ExitCode } from '../exit-codes.ts'
import { pathText } from '../node-text.ts'
import { printable } from '../terminal.ts'

export async function peersConnect(context: Context, address: string): Promise<ExitCode> {
  const node = await context.node()
  const body: ConnectPeer = { address }
  const peer = await node.call<ConnectedPeer>('POST', '/api/v1/peers', body, { signal: context.signal })
  const [path] = peer.paths
  if (context.json) context.document(peer)
  else
    context.terminal.line(
      printable(`connected to ${peer.name ?? peer.id}${path === undefined ? '' : ` (${pathText(path)})`}`),
    )
  return EXIT.ok
}
