/** The private networks that this machine has joined, with what admits it to each: secrets, for their owner only. */

import type { NetworkId } from '../core/ids.ts'
import type { JoinFile, ParsedJoinFile } from '../core/network/join-file.ts'

/**
 * Every implementation promises (test/contracts/network-store.contract.ts checks it): what `write`, `remove` and `activate` resolved for is there
 * after a crash, whole or not at all; a store that cannot be read throws `state_corrupt` rather than be taken for an empty one.
 */
export interface NetworkStore {
  /** By id. */
  list(): Promise<readonly ParsedJoinFile[]>
  read(id: NetworkId): Promise<ParsedJoinFile | undefined>
  /** In the place of what was stored of the network. */
  write(network: JoinFile): Promise<void>
  /** The network is no longer active either. */
  remove(id: NetworkId): Promise<void>
  /** The network that the node takes part in; undefined for the open one. */
  active(): Promise<NetworkId | undefined>
  activate(id: NetworkId | undefined): Promise<void>
}
