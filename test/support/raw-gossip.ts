/** Gossip written by hand: the RPC of https://github.com/libp2p/specs/tree/master/pubsub, as a hostile peer may send it. */

export const GOSSIP_PROTOCOL = '/meshsub/1.2.0'

/** A message of `topic`; unsigned, as ours are. */
export function messageRpc(topic: string, data: Uint8Array): Uint8Array {
  return lengthPrefixed(field(2, Buffer.concat([field(2, data), field(4, Buffer.from(topic))])))
}

export function subscribeRpc(topics: readonly string[]): Uint8Array {
  const subscribed = Buffer.of(0x08, 1)
  return lengthPrefixed(
    Buffer.concat(topics.map((topic) => field(1, Buffer.concat([subscribed, field(2, Buffer.from(topic))])))),
  )
}

/** A length-delimited field of protocol buffers. */
function field(number: number, bytes: Uint8Array): Buffer {
  return Buffer.concat([Buffer.of((number << 3) | 2), lengthPrefixed(bytes)])
}

function lengthPrefixed(bytes: Uint8Array): Buffer {
  const length: number[] = []
  let rest = bytes.length
  for (; rest > 0x7f; rest >>>= 7) length.push((rest & 0x7f) | 0x80)
  return Buffer.concat([Buffer.of(...length, rest), bytes])
}
