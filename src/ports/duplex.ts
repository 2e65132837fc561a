/** A duplex byte stream to one peer, as an adapter provides it; mesh sessions run on it. */
import type { NodeId } from '../core/ids.ts'
import type { ByteDuplex } from '../core/mesh/byte-duplex.ts'

/**
 * Every implementation promises (test/contracts/duplex.contract.ts checks it):
 * - bytes arrive whole and in order, in chunks of any size, and never more than the other side sent;
 * - what arrives before `start` is kept for it, within the transport's own bound;
 * - events are never called from within `start`, `send`, `close` or `abort`, nor from within another event of the same stream;
 * - `send` keeps the arrays until they have left and never changes them; false is followed by one `drained`, unless the stream closes;
 * - `close` delivers what was sent before it; then both sides get `closed(undefined)`;
 * - `abort` gives this side `closed(error)` and the other side `closed` with an error of its own, whatever was on its way; over QUIC
 *   the other side sees a plain end, so a protocol must say itself when it is done;
 * - `closed` comes exactly once and last; after it, and after `close` or `abort`, further calls do nothing and `send` returns false.
 */
export interface Duplex extends ByteDuplex {
  /** Who is at the other end, as the transport has proved it. */
  readonly peer: NodeId
}
