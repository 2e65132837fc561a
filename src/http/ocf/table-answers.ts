/** OCF's reads of the node table, as JSON values by path. */

import type { z } from 'zod'
import type { OcfBootstraps, OcfPeers, OcfPeersStatus, OcfStats, OcfTable } from '../../core/wire/ocf.ts'
import type { OcfView } from './deps.ts'

type Reads = {
  readonly '/v1/health': { readonly status: 'ok' }
  readonly '/v1/dnt/table': OcfTable
  readonly '/v1/dnt/peers': z.infer<typeof OcfPeers>
  readonly '/v1/dnt/peers_status': z.infer<typeof OcfPeersStatus>
  readonly '/v1/dnt/bootstraps': z.infer<typeof OcfBootstraps>
  readonly '/v1/dnt/stats': z.infer<typeof OcfStats>
}
export type ReadPath = keyof Reads

const READS: { readonly [Path in ReadPath]: (view: OcfView) => Reads[Path] } = {
  '/v1/health': () => ({ status: 'ok' }),
  '/v1/dnt/table': (view) => view.table(),
  '/v1/dnt/peers': (view) => ({ peers: [...view.peers()] }),
  '/v1/dnt/peers_status': (view) => ({ peers: [...view.peersStatus()] }),
  '/v1/dnt/bootstraps': (view) => ({ bootstraps: [...view.bootstraps()] }),
  '/v1/dnt/stats': (view) => {
    const [connected, known] = [view.peers(), view.peersStatus()]
    return {
      connected_peers: connected.length,
      total_peers_known: known.length,
      connected_peer_details: [...connected],
      all_peer_details: [...known],
      message: 'heddle netcheck and /metrics have more',
    }
  },
}

export function readOf<Path extends ReadPath>(view: OcfView, path: Path): Reads[Path] {
  return READS[path](view)
}

/** `path` without a query, where it is one of the reads. */
export function readPathOf(path: string): ReadPath | undefined {
  return Object.hasOwn(READS, path) ? (path as ReadPath) : undefined
}
