/** Nodes with many models publish as many as a record holds. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { TestDevice, testDescription, testService } from '../../../test/support/registry-peer.ts'
import { blockOf, blocksOf } from './address-block.ts'
import { fitDescription } from './fit-record.ts'

const [offer] = testService().offers
assert.ok(offer)
const offers = (count: number) =>
  Array.from({ length: count }, (_, index) => ({ ...offer, id: `organisation/model-${index}:8b-q4_K_M` }))

describe('fitting a description into a record', () => {
  it('leaves small ones as they are', () => {
    const description = testDescription()
    assert.deepEqual(fitDescription(description), { description, omittedModels: 0 })
  })

  it('takes out details before models, and says how many models are missing', () => {
    const addresses = Array.from(
      { length: 16 },
      (_, index) => `/ip4/192.168.1.${index}/tcp/11441/ws/p2p/${'x'.repeat(52)}`,
    )
    for (const count of [30, 45, 64, 200]) {
      const description = testDescription({
        addresses,
        services: [testService({ offers: offers(count) }), testService({ offers: [] })],
      })
      const fitted = fitDescription(description)
      const { record } = new TestDevice(1).record(1, fitted.description)
      const [first, second] = record.services
      assert.equal((first?.offers.length ?? 0) + fitted.omittedModels, count)
      assert.ok((first?.offers.length ?? 0) >= 20)
      assert.equal(first?.offers[0]?.digest, undefined)
      assert.ok(second)
    }
  })
})

describe('address blocks', () => {
  it('are /24 of public IPv4 and /48 of public IPv6', () => {
    assert.equal(blockOf('/ip4/203.0.113.77/tcp/11441'), '203.0.113.0/24')
    assert.equal(blockOf('/ip6/2001:db8:1:2::3/udp/11441/quic-v1'), '2001:db8:1::/48')
    assert.equal(blockOf('/ip6/2001:db8::1/tcp/1'), blockOf('/ip6/2001:0db8:0:ffff::/tcp/2'))
    assert.deepEqual(blocksOf(['/ip4/203.0.113.1/tcp/1', '/ip4/203.0.113.2/tcp/1', '/ip4/198.51.100.1/tcp/1']), [
      '203.0.113.0/24',
      '198.51.100.0/24',
    ])
  })

  it('are none of private, relayed, named or broken addresses', () => {
    const none = [
      '/ip4/10.1.2.3/tcp/1',
      '/ip4/172.20.0.1/tcp/1',
      '/ip4/100.100.0.1/tcp/1',
      '/ip4/127.0.0.1/tcp/1',
      '/ip4/300.1.1.1/tcp/1',
      '/ip6/fe80::1/tcp/1',
      '/ip6/::1/tcp/1',
      '/ip6/1:2:3/tcp/1',
      '/ip6/2001::db8::1/tcp/1',
      '/dns4/node.example/tcp/1',
      '/ip4/203.0.113.1/tcp/1/p2p/X/p2p-circuit',
      'nonsense',
      '',
    ]
    assert.deepEqual(blocksOf(none), [])
  })
})
