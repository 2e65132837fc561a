/** What `heddle network create`, `ls`, `show`, `join`, `leave` and `use` do. All of it holds from the next start of the node. */
import { HeddleError } from '../core/errors.ts'
import { isDisplayName } from '../core/identity/field-reader.ts'
import { refusalText } from '../core/identity/refusal.ts'
import type { NetworkId, NodeId, UnixMs } from '../core/ids.ts'
import { limit } from '../core/limits.ts'
import { encodeGenesis, NONCE_BYTES, networkIdOf, OPEN_NETWORK } from '../core/network/genesis.ts'
import { joinFileText, type ParsedJoinFile, parseJoinFile } from '../core/network/join-file.ts'
import {
  admit,
  ensureMembership,
  isPrivateGenesis,
  type NetworkDeps,
  networkKeyOf,
  storedMembership,
} from './own-membership.ts'

export interface NetworkView {
  readonly id: NetworkId
  readonly name: string
  readonly createdAt: UnixMs
  readonly isActive: boolean
  readonly isPrivate: boolean
  /** Whether this machine may admit others. */
  readonly hasKey: boolean
  readonly hasPresharedKey: boolean
  readonly addresses: readonly string[]
  /** Until when this machine is a member; undefined where it is none, and on the open network. */
  readonly memberUntil: UnixMs | undefined
  /** Why this machine is no member; empty where it is one. */
  readonly reason: string
}

/** Makes a private network with this machine as its first member, and uses it. */
export async function createNetwork(
  deps: NetworkDeps,
  name: string,
  { device, hasPresharedKey }: { readonly device: NodeId; readonly hasPresharedKey: boolean },
): Promise<NetworkView> {
  const { store, keys, verifier, clock } = deps
  if (!isDisplayName(name)) {
    const most = limit('displayNameCharacters')
    throw new HeddleError('usage', `a network needs a name of 1 to ${most} characters that can be shown`)
  }
  if (name === OPEN_NETWORK.name) throw new HeddleError('usage', `"${name}" is the name of the network of everybody`)
  const networkSeed = keys.newSeed()
  const genesis = encodeGenesis({
    name,
    createdAt: clock.now(),
    nonce: keys.newSeed().subarray(0, NONCE_BYTES),
    networkKey: keys.signerOf(networkSeed).publicKey,
    extensions: new Map(),
  })
  const presharedKey = hasPresharedKey ? keys.newSeed() : undefined
  await store.write({ genesis, addresses: [], networkSeed, membership: undefined, presharedKey })
  return await useNetwork(deps, networkIdOf(verifier, genesis), { device })
}

/** Takes what a join file says, with the key or membership in it, and uses the network. */
export async function joinNetwork(
  deps: NetworkDeps,
  text: string,
  { device }: { readonly device: NodeId },
): Promise<NetworkView> {
  const parsed = parseJoinFile(deps.verifier, text)
  if (parsed.kind !== 'ok') throw new HeddleError('invalid_request', `not a join file: ${refusalText(parsed)}`)
  const file = parsed.value
  const { id, genesis } = file.network
  if (!isPrivateGenesis(genesis)) {
    throw new HeddleError('invalid_request', `"${genesis.name}" admits nobody by file: its genesis names no key`)
  }
  if (file.networkSeed !== undefined && networkKeyOf(deps, file) === undefined) {
    throw new HeddleError('invalid_request', 'the key in the join file is not that of the network it names')
  }
  const present = await deps.store.read(id)
  const network: ParsedJoinFile = {
    ...file,
    // A file for one device must not take away what this machine could do before.
    networkSeed: file.networkSeed ?? present?.networkSeed,
    membership: betterMembership(deps, file, present, device),
    addresses: file.addresses.length > 0 ? file.addresses : (present?.addresses ?? []),
  }
  const stored = storedMembership(deps, network, device)
  if (!('bytes' in stored) && network.networkSeed === undefined) {
    const why = stored.refusal === undefined ? 'it holds neither a key nor a membership' : refusalText(stored.refusal)
    throw new HeddleError('identity_refused', `the join file does not admit this machine: ${why}`, {
      fix: admitCommand(id, device),
    })
  }
  await deps.store.write(network)
  return await useNetwork(deps, id, { device })
}

/** Forgets a network with its secrets. Where it was the active one, the open network is. */
export async function leaveNetwork(deps: NetworkDeps, nameOrId: string): Promise<NetworkId> {
  if (isOpen(deps, nameOrId)) {
    throw new HeddleError('usage', 'the open network has no members to leave; use another, or turn the mesh off', {
      fix: 'heddle network use <name>\nheddle config set mode standalone',
    })
  }
  const { network } = await findNetwork(deps, nameOrId)
  await deps.store.remove(network.id)
  return network.id
}

/** Makes a network the one that the node takes part in from its next start on. */
export async function useNetwork(
  deps: NetworkDeps,
  nameOrId: string,
  { device }: { readonly device: NodeId },
): Promise<NetworkView> {
  if (isOpen(deps, nameOrId)) {
    await deps.store.activate(undefined)
    return openView(deps, true)
  }
  const network = await findNetwork(deps, nameOrId)
  const { id } = network.network
  const own = await ensureMembership(deps, network, device)
  if (!('bytes' in own)) throw notAMember(network, own.reason, device)
  await deps.store.activate(id)
  return viewOf(deps, { ...network, membership: own.bytes }, { device, active: id })
}

/** The open network and every one that was joined. `device` is undefined before the first start of this machine. */
export async function listNetworks(deps: NetworkDeps, device: NodeId | undefined): Promise<readonly NetworkView[]> {
  const [networks, active] = [await deps.store.list(), await deps.store.active()]
  return [openView(deps, active === undefined), ...networks.map((each) => viewOf(deps, each, { device, active }))]
}

/** One of them; the active one where no name is given. */
export async function showNetwork(
  deps: NetworkDeps,
  nameOrId: string | undefined,
  device: NodeId | undefined,
): Promise<NetworkView> {
  const active = await deps.store.active()
  const wanted = nameOrId ?? active
  if (wanted === undefined || isOpen(deps, wanted)) return openView(deps, active === undefined)
  return viewOf(deps, await findNetwork(deps, wanted), { device, active })
}

/**
 * The text with which another machine joins. With `forDevice` it admits that device for as long as a membership lasts; without, it holds the
 * network's key, and whoever has it may admit anybody.
 */
export async function joinFileFor(
  deps: NetworkDeps,
  nameOrId: string | undefined,
  { addresses, forDevice }: { readonly addresses: readonly string[]; readonly forDevice: NodeId | undefined },
): Promise<string> {
  const wanted = nameOrId ?? (await deps.store.active())
  if (wanted === undefined || isOpen(deps, wanted)) {
    throw new HeddleError('invalid_request', 'the open network needs no join file', {
      fix: 'heddle network create <name>',
    })
  }
  const network = await findNetwork(deps, wanted)
  const key = networkKeyOf(deps, network)
  if (key === undefined) {
    throw new HeddleError('not_found', `this machine does not hold the key of "${network.network.genesis.name}"`, {
      fix: 'ask on the machine that made the network',
    })
  }
  const known = [...new Set([...addresses, ...network.addresses])].slice(0, limit('joinAddresses'))
  const now = deps.clock.now()
  const membership = forDevice && admit(key, network, { device: forDevice, now, lastSerial: 0 })
  const networkSeed = forDevice === undefined ? network.networkSeed : undefined
  return joinFileText(deps.verifier, { ...network, addresses: known, networkSeed, membership })
}

async function findNetwork({ store }: Pick<NetworkDeps, 'store'>, nameOrId: string): Promise<ParsedJoinFile> {
  const all = await store.list()
  const found = all.filter(({ network }) => network.id === nameOrId || network.genesis.name === nameOrId)
  const [only] = found
  if (found.length > 1) {
    const ids = found.map(({ network }) => network.id).join(', ')
    throw new HeddleError('conflict', `several networks are called "${nameOrId}": name one by its id: ${ids}`)
  }
  if (only !== undefined) return only
  throw new HeddleError('not_found', `there is no network "${nameOrId}" on this machine`, { fix: 'heddle network ls' })
}

function viewOf(
  deps: NetworkDeps,
  network: ParsedJoinFile,
  { device, active }: { readonly device: NodeId | undefined; readonly active: NetworkId | undefined },
): NetworkView {
  const { id, genesis } = network.network
  const stored = device === undefined ? { refusal: undefined } : storedMembership(deps, network, device)
  const isMember = 'bytes' in stored
  const hasKey = networkKeyOf(deps, network) !== undefined
  const why = isMember || hasKey ? '' : stored.refusal === undefined ? 'no membership' : refusalText(stored.refusal)
  return {
    id,
    name: genesis.name,
    createdAt: genesis.createdAt,
    isActive: id === active,
    isPrivate: isPrivateGenesis(genesis),
    hasKey,
    hasPresharedKey: network.presharedKey !== undefined,
    addresses: network.addresses,
    memberUntil: isMember ? stored.membership.expiresAt : undefined,
    reason: why,
  }
}

function openView({ verifier }: Pick<NetworkDeps, 'verifier'>, isActive: boolean): NetworkView {
  return {
    id: networkIdOf(verifier, encodeGenesis(OPEN_NETWORK)),
    name: OPEN_NETWORK.name,
    createdAt: OPEN_NETWORK.createdAt,
    isActive,
    isPrivate: false,
    hasKey: false,
    hasPresharedKey: false,
    addresses: [],
    memberUntil: undefined,
    reason: '',
  }
}

function isOpen({ verifier }: Pick<NetworkDeps, 'verifier'>, nameOrId: string): boolean {
  return nameOrId === OPEN_NETWORK.name || nameOrId === networkIdOf(verifier, encodeGenesis(OPEN_NETWORK))
}

/** The file's membership where it counts, else the present one. */
function betterMembership(
  deps: NetworkDeps,
  file: ParsedJoinFile,
  present: ParsedJoinFile | undefined,
  device: NodeId,
): Uint8Array | undefined {
  if (present === undefined || 'bytes' in storedMembership(deps, file, device)) return file.membership
  return 'bytes' in storedMembership(deps, present, device) ? present.membership : file.membership
}

/** Commands name the network by its id: its name is a stranger's text. */
export function notAMember({ network }: Pick<ParsedJoinFile, 'network'>, reason: string, device: NodeId): HeddleError {
  const { id, genesis } = network
  return new HeddleError('identity_refused', `this machine is no member of the network "${genesis.name}": ${reason}`, {
    fix: `${admitCommand(id, device)}\nheddle network use open   (for the network of everybody)`,
  })
}

/** What to type on a machine with the network's key. */
export const admitCommand = (id: NetworkId, device: NodeId): string =>
  `heddle network show ${id} --join-file --for ${device}   (on a machine that holds the network’s key; then join with that file)`
