/** OCF's forwarding routes: what a raw request target asks for. Only their exact spelling is one; nothing is decoded here. */
import { asNodeId, type NodeId } from '../../core/ids.ts'
import { withoutAuthority } from '../path.ts'
import { type ReadPath, readPathOf } from './table-answers.ts'

export type OcfTarget =
  /** `/v1/service/:service/*path`: whoever in the network serves it. */
  | { readonly kind: 'service'; readonly service: string; readonly path: string }
  /** `/v1/service/llm/v1/models`: the models of the whole network, as they stand under `/v1/models`. */
  | { readonly kind: 'models'; readonly path: string }
  /** `/v1/_service/:service/*path`: this node. */
  | { readonly kind: 'local'; readonly service: string; readonly path: string }
  /** `/v1/p2p-service/:peerId/:service/*path`, and `/v1/p2p/:peerId` before `/v1/_service/:service/*path`. */
  | {
      readonly kind: 'peer-service'
      readonly route: 'p2p' | 'p2p-service'
      readonly peer: NodeId
      readonly service: string
      readonly path: string
    }
  /** `/v1/p2p/:peerId` before one of the peer's own public reads. */
  | { readonly kind: 'peer-read'; readonly peer: NodeId; readonly path: ReadPath }
  /** `/v1/p2p/:peerId` before anything else, which goes nowhere. */
  | { readonly kind: 'refused'; readonly reason: string }

const SERVICE = /^\/v1\/(_?service)\/([^/?#]+)([/?].*)?$/s
const PEER_SERVICE = /^\/v1\/p2p-service\/([^/?#]+)\/([^/?#]+)([/?].*)?$/s
const PEER = /^\/v1\/p2p\/([^/?#]+)([/?].*)?$/s
const FORWARDING = /^\/v1\/(?:_?service|p2p|p2p-service)(?:[/?]|$)/
const MODELS = /^\/v1\/models(?:[/?]|$)/
const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,79}$/
const PEER_ID = /^[1-9A-HJ-NP-Za-km-z]{20,128}$/

/** Undefined where the target belongs to another part of the API. */
export function parseOcfTarget(url: string): OcfTarget | undefined {
  const target = withoutAuthority(url)
  if (!FORWARDING.test(target)) return undefined
  const service = SERVICE.exec(target)
  if (service !== null) {
    const [, route, name = '', rest] = service
    if (!NAME.test(name)) return NO_SERVICE
    const path = pathOf(rest)
    if (route === '_service') return { kind: 'local', service: name, path }
    return name === 'llm' && MODELS.test(path) ? { kind: 'models', path } : { kind: 'service', service: name, path }
  }
  const ofPeer = PEER_SERVICE.exec(target)
  if (ofPeer !== null) return peerService('p2p-service', ofPeer[1] ?? '', ofPeer[2] ?? '', ofPeer[3])
  const peer = PEER.exec(target)
  return peer === null ? NO_SERVICE : below(peer[1] ?? '', pathOf(peer[2]))
}

/** Whether a path belongs to the routes above, for those who only need to know that. */
export function isForwarding(path: string): boolean {
  return FORWARDING.test(path)
}

const NO_SERVICE: OcfTarget = { kind: 'refused', reason: 'name a service after /v1/service/' }

function below(peer: string, path: string): OcfTarget {
  if (!PEER_ID.test(peer)) return { kind: 'refused', reason: 'that is no peer id' }
  const service = SERVICE.exec(path)
  if (service?.[1] === '_service') return peerService('p2p', peer, service[2] ?? '', service[3])
  const read = readPathOf(path.split('?', 1)[0] ?? '')
  if (read !== undefined) return { kind: 'peer-read', peer: asNodeId(peer), path: read }
  const reason = isForwarding(path)
    ? 'a request goes through one node at most'
    : 'only services of the peer, below /v1/_service/, and its node table are reached through it'
  return { kind: 'refused', reason }
}

function peerService(route: 'p2p' | 'p2p-service', peer: string, service: string, rest: string | undefined): OcfTarget {
  if (!PEER_ID.test(peer)) return { kind: 'refused', reason: 'that is no peer id' }
  if (!NAME.test(service)) return NO_SERVICE
  return { kind: 'peer-service', route, peer: asNodeId(peer), service, path: pathOf(rest) }
}

/** What follows the name, which is at least a slash. */
function pathOf(rest: string | undefined): string {
  if (rest === undefined) return '/'
  return rest.startsWith('?') ? `/${rest}` : rest
}
