/** What `heddle network` does with the files of this machine; a running node goes on with what it began with. */
import {
  createNetwork,
  joinFileFor,
  joinNetwork,
  leaveNetwork,
  listNetworks,
  type NetworkView,
  showNetwork,
  useNetwork,
} from '../accounts/network-actions.ts'
import { peerIdOf } from '../core/identity/peer-id.ts'
import type { NodeId, UnixMs } from '../core/ids.ts'
import type { NetworkDocument, NetworkListDocument } from '../core/wire/networks.ts'
import type { Config } from './config.ts'
import { deviceOf } from './identity-admin.ts'
import { identityDeps, openIdentity } from './open-identity.ts'
import { networkDeps } from './open-network.ts'
import { identityOptionsOf } from './passphrase.ts'

type Local = Pick<Config, 'identity' | 'paths'>

export async function createLocalNetwork(
  config: Local,
  name: string,
  { hasPresharedKey }: { readonly hasPresharedKey: boolean },
): Promise<NetworkDocument> {
  const device = await ensureDevice(config)
  return document(await createNetwork(networkDeps(config.paths.networksDir), name, { device, hasPresharedKey }))
}

/** @param text of a join file */
export async function joinLocalNetwork(config: Local, text: string): Promise<NetworkDocument> {
  const device = await ensureDevice(config)
  return document(await joinNetwork(networkDeps(config.paths.networksDir), text, { device }))
}

export async function useLocalNetwork(config: Local, nameOrId: string): Promise<NetworkDocument> {
  const device = await ensureDevice(config)
  return document(await useNetwork(networkDeps(config.paths.networksDir), nameOrId, { device }))
}

/** The network that was left. */
export async function leaveLocalNetwork({ paths }: Local, nameOrId: string): Promise<NetworkDocument> {
  const deps = networkDeps(paths.networksDir)
  const view = await showNetwork(deps, nameOrId, await deviceIn(paths.keysDir))
  await leaveNetwork(deps, view.id)
  return document({ ...view, isActive: false })
}

export async function listLocalNetworks({ paths }: Local): Promise<NetworkListDocument> {
  const networks = await listNetworks(networkDeps(paths.networksDir), await deviceIn(paths.keysDir))
  return { schema: 'heddle.networks/v1', networks: networks.map(partOf) }
}

/** The network in use where none is named. */
export async function showLocalNetwork({ paths }: Local, nameOrId: string | undefined): Promise<NetworkDocument> {
  return document(await showNetwork(networkDeps(paths.networksDir), nameOrId, await deviceIn(paths.keysDir)))
}

/** @param options.forDevice as typed; the file then admits this device only */
export async function localJoinFile(
  { paths }: Local,
  nameOrId: string | undefined,
  options: { readonly addresses: readonly string[]; readonly forDevice: string | undefined },
): Promise<string> {
  const forDevice = options.forDevice === undefined ? undefined : deviceOf(options.forDevice)
  return await joinFileFor(networkDeps(paths.networksDir), nameOrId, { ...options, forDevice })
}

/** The device of this machine, whose key is made where it has none yet. */
async function ensureDevice(config: Local): Promise<NodeId> {
  const known = await deviceIn(config.paths.keysDir)
  return known ?? (await openIdentity(config.paths.keysDir, await identityOptionsOf(config))).device
}

async function deviceIn(keysDir: string): Promise<NodeId | undefined> {
  const key = await identityDeps(keysDir).store.describe('device')
  return key && peerIdOf(key.publicKey)
}

function document(view: NetworkView): NetworkDocument {
  return { schema: 'heddle.network/v1', ...partOf(view) }
}

function partOf({ id, name, isActive, isPrivate, hasKey, hasPresharedKey, addresses, ...view }: NetworkView) {
  const { createdAt, memberUntil, reason } = view
  return {
    id,
    name,
    createdAt: createdAt === 0 ? null : timeText(createdAt),
    isActive,
    isPrivate,
    hasKey,
    hasPresharedKey,
    addresses: [...addresses],
    memberUntil: memberUntil === undefined ? null : timeText(memberUntil),
    reason,
  }
}

const timeText = (at: UnixMs): string => new Date(at).toISOString()
