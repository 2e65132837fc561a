/** What the admin API does with the network around this node; without a mesh, what it says instead. */
import { HeddleError } from '../core/errors.ts'
import { limit } from '../core/limits.ts'
import { pickNode } from '../core/registry/pick-node.ts'
import type { RegistryEntry } from '../core/registry/registry-table.ts'
import type { NodeView } from '../core/wire/admin.ts'
import type { MeshMode, NodeDetail, PingReply, PingRequest } from '../core/wire/admin-mesh.ts'
import type { Cancellable, MeshAdmin } from '../http/admin/deps.ts'
import { netcheckOf, netcheckWithout } from './mesh-netcheck.ts'
import type { MeshParts } from './mesh-parts.ts'
import { type PingDeps, pingHttp, pingInference } from './mesh-ping.ts'
import { listedNodes, nodeDetail, otherNodes, peerView, roundedMs } from './mesh-views.ts'

export interface MeshAdminDeps {
  /** This node as its status shows it. */
  readonly self: () => NodeView
  /** The same in full, where no record of its own says more. */
  readonly selfDetail: () => NodeDetail
  readonly mode: MeshMode
  /** Undefined in mode standalone, and until the mesh is open. */
  readonly mesh: () => MeshParts | undefined
  readonly requestId: PingDeps['requestId']
}

const TURN_ON = 'heddle config set mode local'
const LOOK_THERE = 'heddle netcheck   (on that machine: it says where others reach it)'

export function meshAdminOf(deps: MeshAdminDeps): MeshAdmin {
  return {
    nodes: () => {
      const mesh = deps.mesh()
      const others = mesh === undefined ? [] : otherNodes(mesh)
      return { schema: 'heddle.nodes/v1', mode: deps.mode, nodes: [deps.self(), ...others] }
    },
    node: (which) => {
      const mesh = deps.mesh()
      if (mesh === undefined) return onlySelf(deps, which)
      return nodeDetail(mesh, pickNode(listedNodes(mesh), which).entry, deps.self())
    },
    peers: () => {
      const mesh = required(deps)
      return { schema: 'heddle.peers/v1', peers: mesh.connections.peers().map((peer) => peerView(mesh, peer)) }
    },
    connect: async (address, { signal }) => {
      const mesh = required(deps)
      if (!/^\/\S+$/.test(address)) throw noMultiaddr(address)
      const late = AbortSignal.any([signal, AbortSignal.timeout(limit('connectTimeoutMs'))])
      const peer = await mesh.connections.connect(address, { signal: late }).catch((error: unknown) => {
        signal.throwIfAborted()
        throw late.aborted ? noAnswer(address, error) : withFix(error)
      })
      return { schema: 'heddle.peer/v1', ...peerView(mesh, peer) }
    },
    ping: (request, options) => ping(deps, request, options),
    netcheck: () => {
      const mesh = deps.mesh()
      return mesh === undefined ? netcheckWithout(deps.mode, TURN_ON) : netcheckOf(mesh)
    },
  }
}

async function ping(deps: MeshAdminDeps, { node, layer }: PingRequest, { signal }: Cancellable): Promise<PingReply> {
  const mesh = required(deps)
  const { entry, id, name } = pickNode(listedNodes(mesh), node)
  if (entry.record.peer === mesh.membership.self)
    throw new HeddleError('invalid_request', `"${name}" is this node itself; there is no way to measure`, {
      param: 'node',
      fix: 'heddle nodes ls',
    })
  const waiting = { signal: AbortSignal.any([signal, AbortSignal.timeout(limit('pingTimeoutMs'))]) }
  const { path, rttMs } = await answered(mesh, entry, mesh.ping(entry.record.peer, waiting), waiting, { signal })
  const asking = { ...deps, connector: mesh.connector, clock: mesh.clock }
  return {
    schema: 'heddle.ping/v1',
    node: { id, name },
    layer,
    path: { ...path },
    rttMs: roundedMs(rttMs),
    http: layer === 'http' ? await pingHttp(asking, entry, waiting) : null,
    inference: layer === 'inference' ? await pingInference(asking, entry, { signal }) : null,
  }
}

/** What the ping came to is also what routing knows of the node from then on. */
async function answered(
  { membership }: MeshParts,
  { record }: RegistryEntry,
  asked: ReturnType<MeshParts['ping']>,
  late: Cancellable,
  { signal }: Cancellable,
): ReturnType<MeshParts['ping']> {
  try {
    const pong = await asked
    membership.liveness.observed(record.peer, { kind: 'answered', rttMs: pong.rttMs })
    return pong
  } catch (error) {
    signal.throwIfAborted()
    const reason = late.signal.aborted
      ? 'no answer in time'
      : error instanceof HeddleError
        ? error.message
        : 'it does not answer'
    membership.liveness.observed(record.peer, { kind: 'unreachable', reason })
    const said = reason.replaceAll(record.peer, record.name)
    const message = said.includes(record.name) ? said : `${record.name} cannot be reached: ${said}`
    throw new HeddleError('peer_unreachable', message, { cause: error, fix: 'heddle netcheck' })
  }
}

function required({ mode, mesh }: MeshAdminDeps): MeshParts {
  const parts = mesh()
  if (parts !== undefined) return parts
  if (mode !== 'standalone')
    throw new HeddleError('conflict', 'the mesh of this node is not open yet', { fix: 'heddle status' })
  throw new HeddleError('conflict', 'this node runs by itself (mode standalone): it has no peers', {
    fix: `${TURN_ON}\nheddle down\nheddle up`,
  })
}

function onlySelf({ self, selfDetail }: MeshAdminDeps, which: string): NodeDetail {
  const { id, name } = self()
  const detail = selfDetail()
  pickNode([{ id, name, fingerprint: () => detail.fingerprint }], which)
  return detail
}

function noMultiaddr(address: string): HeddleError {
  return new HeddleError(
    'invalid_request',
    `"${address}" is no multiaddr; one looks like /ip4/192.168.1.20/tcp/11441/p2p/12D3KooW…`,
    { param: 'address', fix: 'heddle status' },
  )
}

function noAnswer(address: string, cause: unknown): HeddleError {
  return new HeddleError('peer_unreachable', `nothing answers at ${address}`, { cause, fix: LOOK_THERE })
}

function withFix(error: unknown): unknown {
  if (!(error instanceof HeddleError) || error.code !== 'peer_unreachable') return error
  return new HeddleError('peer_unreachable', error.message, { cause: error, fix: LOOK_THERE })
}
