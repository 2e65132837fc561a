/** Opens this node's membership: its registry, what accounts say of their devices, and the upkeep of its own credentials. */
import { join } from 'node:path'
import type { ActiveNetwork } from '../accounts/active-network.ts'
import { CredentialUpkeep } from '../accounts/credential-upkeep.ts'
import { resolveBootstrap } from '../adapters/libp2p/bootstrap-list.ts'
import type { Libp2pGossip } from '../adapters/libp2p/libp2p-gossip.ts'
import { FileSnapshotStore } from '../adapters/system/file-snapshot-store.ts'
import { StatementFile } from '../adapters/system/statement-file.ts'
import { Membership } from '../membership/membership.ts'
import { Statements } from '../membership/statements.ts'
import type { PeerSessions } from '../mesh/peer-sessions.ts'
import type { Config } from './config.ts'
import type { OwnNode } from './local-node.ts'
import type { MeshParts } from './mesh-parts.ts'
import type { NetworkRules } from './network-rules.ts'
import type { Parts } from './parts.ts'

export interface MembershipParts extends Pick<Parts, 'clock' | 'ids' | 'log' | 'identity'> {
  readonly active: ActiveNetwork
  readonly rules: NetworkRules
  readonly own: OwnNode
  readonly gossip: Libp2pGossip
  readonly sessions: PeerSessions
  readonly ping: MeshParts['ping']
}

export interface OpenMembership {
  readonly membership: Membership
  readonly statements: Statements
  readonly upkeep: CredentialUpkeep
}

/** It takes part from now on; what was opened is given to `stack`. */
export async function openMembership(
  stack: AsyncDisposableStack,
  parts: MembershipParts,
  config: Pick<Config, 'mesh' | 'paths'>,
  { signal }: { readonly signal: AbortSignal },
): Promise<OpenMembership> {
  const { clock, ids, log, identity, active, rules, own, gossip, sessions } = parts
  const membership = membershipOf(parts, config)
  rules.watch(membership)
  // What was said of an account, or the end of a credential, speaks against nodes that were members before.
  const recheck = (): void => {
    membership.recheck()
    void sessions.recheck()
  }
  const upkeep = new CredentialUpkeep({
    clock,
    log,
    identity,
    statements: identity.deps.store.statements,
    active,
    onRenewed: () => own.changed(),
    recheck,
  })
  const statements = stack.use(
    new Statements({
      clock,
      chance: ids,
      log,
      gossip,
      network: rules.network.id,
      book: identity.deps.book,
      store: new StatementFile(config.paths.statementsFile),
      mayHear: (peer) => rules.gate.mayGossip(peer),
      neededAccounts: () => rules.accounts(),
      onAdded: (added) => {
        recheck()
        void upkeep.heard(added)
      },
    }),
  )
  await statements.start()
  stack.use(membership)
  sessions.start()
  await membership.start({ signal })
  stack.use(upkeep).start()
  return { membership, statements, upkeep }
}

function membershipOf(
  { clock, ids, log, identity, rules, own, gossip, ping }: MembershipParts,
  { mesh, paths }: Pick<Config, 'mesh' | 'paths'>,
): Membership {
  const { network, objectionTo, trustOf } = rules
  const { id: self } = identity
  return new Membership(
    {
      clock,
      chance: ids,
      log,
      gossip,
      objectionTo,
      trustOf,
      scheme: identity.deps.verifier,
      key: identity.signer,
      network: network.id,
      membersOnly: network.isPrivate,
      local: own,
      store: new FileSnapshotStore(join(paths.registriesDir, network.id)),
      probe: async (peer, options) => void (await ping(peer, options)),
    },
    {
      bootstrap: async ({ signal }) => {
        const { addresses } = own.describe()
        const known = await resolveBootstrap(network.bootstrapAddresses, { self, own: addresses, signal })
        return [...known, ...(await resolveBootstrap(mesh.bootstrap, { self, own: addresses, signal }))]
      },
    },
  )
}
