/** Gossip among members only: a stranger that is connected and knows the topic hears nothing. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { addressOf, startTestHost } from '../../../test/support/libp2p-hosts.ts'
import { waitUntil } from '../../../test/support/wait-until.ts'
import type { NodeId } from '../../core/ids.ts'
import { OPEN_GATE } from './host-options.ts'
import { Libp2pGossip } from './libp2p-gossip.ts'

const TOPIC = '/heddle/test/1'
const { signal } = new AbortController()
/** Scores are computed anew once in a heartbeat of a second. */
const HEARTBEATS_MS = 2_500

describe('gossip where the gate lets only members hear', () => {
  it('goes to members, and to a stranger once it is one', async () => {
    const members = new Set<NodeId>()
    const gate = { ...OPEN_GATE, mayGossip: (peer: NodeId) => members.has(peer) }
    await using host = await startTestHost({ topics: [TOPIC], gate })
    await using member = await startTestHost({ topics: [TOPIC] })
    await using stranger = await startTestHost({ topics: [TOPIC] })
    members.add(member.id)
    const ends = [host, member, stranger].map((each) => {
      const gossip = new Libp2pGossip(each)
      const heard: string[] = []
      gossip.subscribe(TOPIC, ({ data }) => {
        heard.push(Buffer.from(data).toString())
        return 'accept'
      })
      const say = (text: string): Promise<void> => gossip.publish(TOPIC, Buffer.from(text), { signal })
      return { gossip, heard, say }
    })
    const [ofHost, ofMember, ofStranger] = ends
    assert(ofHost !== undefined && ofMember !== undefined && ofStranger !== undefined)
    await ofMember.gossip.connect(addressOf(host), { signal })
    await ofStranger.gossip.connect(addressOf(host), { signal })
    await sleep(HEARTBEATS_MS)
    await ofHost.say('for members')
    await ofMember.say('from inside')
    await waitUntil(() => ofMember.heard.length === 1 && ofHost.heard.length === 1, 'members to hear each other')
    await sleep(HEARTBEATS_MS)
    assert.deepEqual(ofHost.heard, ['from inside'])
    assert.deepEqual(ofMember.heard, ['for members'])
    assert.deepEqual(ofStranger.heard, [])

    members.add(stranger.id)
    await sleep(HEARTBEATS_MS)
    await ofHost.say('for all')
    await waitUntil(() => ofStranger.heard.includes('for all'), 'the newcomer to hear')
    await ofStranger.say('from the newcomer')
    await waitUntil(() => ofHost.heard.includes('from the newcomer'), 'the newcomer to be heard')
  })
})
