/** Peer ids are those that libp2p gives to the same keys. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { peerIdOf } from './peer-id.ts'

describe('peerIdOf', () => {
  it('gives the id of the Ed25519 key in the libp2p specification', () => {
    // The public key of the peer-ids specification's example; its id was computed apart from this code.
    const key = Buffer.from('1ed1e8fae2c4a144b8be8fd4b47bf3d3b34b871c3cacf6010f0e42d474fce27e', 'hex')
    assert.equal(peerIdOf(key), '12D3KooWBtg3aaRMjxwedh83aGiUkwSxDwUZkzuJcfaqUmo7R3pq')
  })

  it('tells keys apart and refuses other lengths', () => {
    const ids = new Set(Array.from({ length: 50 }, (_, index) => peerIdOf(new Uint8Array(32).fill(index))))
    assert.equal(ids.size, 50)
    assert.throws(() => peerIdOf(new Uint8Array(33)), RangeError)
  })
})
