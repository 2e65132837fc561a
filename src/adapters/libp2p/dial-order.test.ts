/** Which addresses of a peer come first. */
import assert from 'node:assert/strict'
import type { NetworkInterfaceInfo } from 'node:os'
import { describe, it } from 'node:test'
import { multiaddr } from '@multiformats/multiaddr'
import { dialOrder } from './dial-order.ts'

const own = (cidr: string): NetworkInterfaceInfo => {
  const [address = ''] = cidr.split('/')
  const common = { address, netmask: '', mac: '', internal: false, cidr }
  return address.includes(':') ? { ...common, family: 'IPv6', scopeid: 0 } : { ...common, family: 'IPv4' }
}

const ordered = (addresses: readonly string[], networks: readonly string[]) => {
  const { near, circuits, far } = dialOrder(
    addresses.map((address) => multiaddr(address)),
    networks.map(own),
  )
  return { near: near.map(String), circuits: circuits.map(String), far: far.map(String) }
}

describe('dialOrder', () => {
  it('puts what is on a network of this machine, public or named first, and other private networks last', () => {
    const addresses = [
      '/ip4/192.168.2.9/tcp/1',
      '/ip4/192.168.1.9/tcp/1',
      '/ip4/192.0.2.7/udp/1/quic-v1',
      '/dns4/example.org/tcp/443/wss',
      '/ip4/127.0.0.1/tcp/1',
      '/ip6/fd00::9/tcp/1',
      '/ip6/2001:db8::1/tcp/1',
      '/ip4/192.0.2.1/tcp/1/p2p/12D3KooWAEMSgMLE6HXsQw9hyso34hHWNFAqfi1HHPwaxyo3VB9M/p2p-circuit',
    ]
    assert.deepEqual(ordered(addresses, ['127.0.0.1/8', '192.168.1.5/24', 'fd00::5/64']), {
      near: [addresses[1], addresses[2], addresses[3], addresses[4], addresses[5], addresses[6]],
      circuits: [addresses[7]],
      far: [addresses[0]],
    })
  })

  it('knows no network where the machine tells none', () => {
    assert.deepEqual(ordered(['/ip4/10.0.0.1/tcp/1', '/ip4/127.0.0.1/tcp/1'], []).near, [])
  })
})
