/** The network that this node takes part in, over the files of its home. */
import { type ActiveNetwork, openActiveNetwork } from '../accounts/active-network.ts'
import type { NetworkDeps } from '../accounts/own-membership.ts'
import { Ed25519Verifier, ed25519Keys } from '../adapters/system/ed25519-signer.ts'
import { NetworkFiles } from '../adapters/system/network-files.ts'
import { SystemClock } from '../adapters/system/system-clock.ts'
import type { NodeId } from '../core/ids.ts'

/** Everything that the commands of `heddle network` and the node need. Nothing is read yet. */
export function networkDeps(networksDir: string): NetworkDeps {
  return {
    store: new NetworkFiles(networksDir),
    keys: ed25519Keys,
    verifier: new Ed25519Verifier(),
    clock: new SystemClock(),
  }
}

/** @throws HeddleError `identity_refused` where this device is no member of the network in use, `state_corrupt`, `insecure_file_mode` */
export function openNetworkOf(networksDir: string, device: NodeId): Promise<ActiveNetwork> {
  return openActiveNetwork(networkDeps(networksDir), device)
}
