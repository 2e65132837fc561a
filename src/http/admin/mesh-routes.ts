/** The admin API about the network around this node: nodes, peers, pings and the network check. */
import { z } from 'zod'
import {
  ConnectedPeer,
  ConnectPeer,
  Netcheck,
  NodeDetail,
  NodeList,
  PeerList,
  PingReply,
  PingRequest,
} from '../../core/wire/admin-mesh.ts'
import { clientSignal } from '../ndjson.ts'
import type { ZodApp } from '../zod-app.ts'
import type { AppDeps } from './deps.ts'

const params = z.object({ '*': z.string().min(1).max(256) })

export function meshRoutes(app: ZodApp, { mesh }: Pick<AppDeps, 'mesh'>): void {
  const tags = ['Network']
  const read = { access: 'read' as const }
  const admin = { access: 'admin' as const }
  const list = { summary: 'Nodes', tags, response: { 200: NodeList } }
  app.get('/api/v1/nodes', { schema: list, config: read }, () => mesh.nodes())
  const show = {
    summary: 'One node',
    description: 'By its name, id or fingerprint, or the beginning of one that no other node has.',
    tags,
    params,
    response: { 200: NodeDetail },
  }
  app.get('/api/v1/nodes/*', { schema: show, config: read }, (request) => mesh.node(request.params['*']))
  const peers = { summary: 'Connected peers', tags, response: { 200: PeerList } }
  app.get('/api/v1/peers', { schema: peers, config: read }, () => mesh.peers())
  const connect = { summary: 'Connect to a peer', tags, body: ConnectPeer, response: { 200: ConnectedPeer } }
  app.post('/api/v1/peers', { schema: connect, config: admin }, ({ body }, reply) =>
    mesh.connect(body.address, { signal: clientSignal(reply) }),
  )
  const ping = {
    summary: 'Ping a node',
    description: 'One round trip on each layer up to the one asked for; `inference` spends one token of a model there.',
    tags,
    body: PingRequest,
    response: { 200: PingReply },
  }
  app.post('/api/v1/ping', { schema: ping, config: admin }, ({ body }, reply) =>
    mesh.ping(body, { signal: clientSignal(reply) }),
  )
  const netcheck = { summary: 'How this node is connected', tags, response: { 200: Netcheck } }
  app.get('/api/v1/netcheck', { schema: netcheck, config: read }, () => mesh.netcheck())
}
