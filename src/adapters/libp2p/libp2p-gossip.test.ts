/** Gossip, questions and connections of real hosts keep the contract. */
import { setTimeout as sleep } from 'node:timers/promises'
import { gossipContract } from '../../../test/contracts/gossip.contract.ts'
import { addressOf, startTestHosts } from '../../../test/support/libp2p-hosts.ts'
import { waitUntil } from '../../../test/support/wait-until.ts'
import { Libp2pGossip } from './libp2p-gossip.ts'

const TOPIC = '/heddle/test/1'
/** A message crosses three hops on loopback in 30 ms; subscriptions are told at connect, and meshes form at a heartbeat. */
const SETTLE_MS = 1_200

gossipContract('Libp2pGossip', async (count) => {
  const started = await startTestHosts(count, { topics: [TOPIC] })
  const nodes = started.hosts.map((host) => new Libp2pGossip(host))
  const hostOf = (self: string) => {
    const host = started.hosts.find(({ id }) => id === self)
    if (host === undefined) throw new Error('a node of another scope')
    return host
  }
  return {
    nodes,
    addressOf: ({ self }) => addressOf(hostOf(self)),
    settle: async (task) => {
      const [result] = await Promise.allSettled([task(), sleep(SETTLE_MS)])
      if (result.status === 'rejected') throw result.reason
      return result.value
    },
    cut: async (a, b) => {
      await hostOf(a.self).node.hangUp(hostOf(b.self).node.peerId)
      await waitUntil(() => !b.peers().includes(a.self), 'the end of a connection')
    },
    [Symbol.asyncDispose]: () => started[Symbol.asyncDispose](),
  }
})
