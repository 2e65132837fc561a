/** What OCF's nodes report to Axiom of lookups and forwards, by OCF's and OpenTela's names. */
import type { NodeId } from '../ids.ts'

export type OcfEvent =
  /** Somebody asked for the node table. */
  | { readonly event: 'DNT Lookup' }
  | { readonly event: 'P2P Forward'; readonly from: NodeId; readonly to: NodeId; readonly path: string }
  | {
      readonly event: 'Service Forward' | 'P2P Service Forward'
      readonly from: NodeId
      readonly to: NodeId
      /** Below the service, without its query. */
      readonly path: string
      readonly service: string
    }
