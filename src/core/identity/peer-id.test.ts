/** Peer ids are those that libp2p gives to the same keys. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { publicKeyFromRaw } from '@libp2p/crypto/keys'
import { peerIdFromPublicKey } from '@libp2p/peer-id'
import fc from 'fast-check'
import { asNodeId } from '../ids.ts'
import { parsePublicKey } from './ed25519-rules.ts'
import { parsePeerId, peerIdOf, publicKeyOf } from './peer-id.ts'

const publicKey = fc.uint8Array({ minLength: 32, maxLength: 32 }).filter((each) => parsePublicKey(each) !== undefined)

describe('peerIdOf', () => {
  it('gives the id of the Ed25519 key in the libp2p specification', () => {
    // The public key of the peer-ids specification's example; its id was computed apart from this code.
    const key = Buffer.from('1ed1e8fae2c4a144b8be8fd4b47bf3d3b34b871c3cacf6010f0e42d474fce27e', 'hex')
    assert.equal(peerIdOf(key), '12D3KooWBtg3aaRMjxwedh83aGiUkwSxDwUZkzuJcfaqUmo7R3pq')
  })

  it('gives the id that libp2p gives', () => {
    fc.assert(
      fc.property(publicKey, (key) => {
        assert.equal(peerIdOf(key), peerIdFromPublicKey(publicKeyFromRaw(key)).toString())
      }),
    )
  })

  it('tells keys apart and refuses other lengths', () => {
    const ids = new Set(Array.from({ length: 50 }, (_, index) => peerIdOf(new Uint8Array(32).fill(index))))
    assert.equal(ids.size, 50)
    assert.throws(() => peerIdOf(new Uint8Array(33)), RangeError)
  })
})

describe('parsePeerId', () => {
  it('takes every id of a key, and the key comes back', () => {
    fc.assert(
      fc.property(publicKey, (key) => {
        const id = peerIdOf(key)
        assert.equal(parsePeerId(id), id)
        assert.deepEqual(publicKeyOf(id), key)
      }),
    )
  })

  it('refuses everything else', () => {
    const id = peerIdOf(Buffer.from('1ed1e8fae2c4a144b8be8fd4b47bf3d3b34b871c3cacf6010f0e42d474fce27e', 'hex'))
    const rsa = 'QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N'
    const ofNoKey = [peerIdOf(new Uint8Array(32)), peerIdOf(new Uint8Array(32).fill(255))]
    const wrong = [
      '',
      rsa,
      ` ${id}`,
      `${id} `,
      id.slice(0, -1),
      `${id}1`,
      id.replace('B', '0'),
      id.toLowerCase(),
      '1'.repeat(52),
    ]
    for (const text of [...wrong, ...ofNoKey, `12D3KooW${'z'.repeat(44)}`, `12D3KooW${'1'.repeat(44)}`]) {
      assert.equal(parsePeerId(text), undefined, text)
      assert.throws(() => publicKeyOf(asNodeId(text)), RangeError, text)
    }
  })
})
