/** Whether two records of a node say the same of it, apart from their numbers and loads. */
import { equalBytes } from '../identity/bytes.ts'
import type { NodeRecord, NodeService } from './node-record.ts'

export function isSameDescription(a: NodeRecord, b: NodeRecord): boolean {
  return (
    equalBytes(a.certificate, b.certificate) &&
    equalBytes(a.membership ?? NONE, b.membership ?? NONE) &&
    textOf(a) === textOf(b)
  )
}

const NONE = new Uint8Array()

/** What is neither bytes nor a number of its publisher. */
function textOf({
  certificate: _certificate,
  membership: _membership,
  peer: _peer,
  publicKey: _publicKey,
  network: _network,
  incarnation: _incarnation,
  seq: _seq,
  signedAt: _signedAt,
  leaseMs: _leaseMs,
  services,
  ...described
}: NodeRecord): string {
  return JSON.stringify([described, services.map(withoutLoad)])
}

function withoutLoad({ load: _load, ...service }: NodeService): Omit<NodeService, 'load'> {
  return service
}
