/** Headers that nodes add to the requests they send each other; those that a client sent are dropped. */
import type { MessageHeaders } from '../message.ts'

/** Which instance of the service is meant: the name that the node's record gives it. */
export const RUNTIME_HEADER = 'heddle-runtime'
/** Between how many nodes the request has travelled. A node never sends on what a peer sent it. */
export const HOPS_HEADER = 'heddle-hops'
export const MOST_HOPS = 1

/** `headers` as they leave for another node. */
export function headersForPeer(headers: MessageHeaders, runtime: string): MessageHeaders {
  return { ...headers, [RUNTIME_HEADER]: runtime, [HOPS_HEADER]: String(MOST_HOPS) }
}
