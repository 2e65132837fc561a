/** The libp2p node on loopback: every transport, keys that must match, gates, and what it says of itself. */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { createServer } from 'node:net'
import { describe, it } from 'node:test'
import type { Connection, Stream } from '@libp2p/interface'
import { noise } from '@libp2p/noise'
import { tcp } from '@libp2p/tcp'
import { yamux } from '@libp2p/yamux'
import { multiaddr } from '@multiformats/multiaddr'
import { createLibp2p } from 'libp2p'
import { signerNamed } from '../../../test/support/identity.ts'
import { addressOf, type HostTransport, startTestHost } from '../../../test/support/libp2p-hosts.ts'
import { waitUntil } from '../../../test/support/wait-until.ts'
import { peerIdOf } from '../../core/identity/peer-id.ts'
import { limit } from '../../core/limits.ts'
import { ConnectionGate } from './connection-gate.ts'
import type { Libp2pHost } from './host.ts'
import { announceFilterOf } from './host-addresses.ts'
import { OPEN_GATE } from './host-options.ts'

const ECHO = '/test/echo/1'
const BULK_BYTES = 1024 * 1024

/** Sends back what comes. */
async function serveEcho(host: Libp2pHost): Promise<void> {
  await host.node.handle(ECHO, async (stream: Stream) => {
    for await (const chunk of stream) stream.send(chunk)
    await stream.close()
  })
}

/** How many bytes come back of those that are sent. */
async function echoed(connection: Connection, bytes: number): Promise<number> {
  const stream = await connection.newStream(ECHO)
  stream.send(new Uint8Array(bytes))
  await stream.close()
  let received = 0
  for await (const chunk of stream) received += chunk.byteLength
  return received
}

describe('the libp2p node', () => {
  for (const [transport, encryption] of [
    ['tcp', '/tls/1.0.0'],
    ['websocket', '/tls/1.0.0'],
    ['quic', 'native'],
  ] as const satisfies readonly (readonly [HostTransport, string])[]) {
    it(`carries bytes over ${transport}, encrypted by ${encryption}`, async () => {
      await using server = await startTestHost()
      await using client = await startTestHost({ listen: undefined })
      await serveEcho(server)
      const connection = await client.node.dial(multiaddr(addressOf(server, transport)))
      assert.equal(connection.encryption, encryption)
      assert.equal(await echoed(connection, BULK_BYTES), BULK_BYTES)
      assert.deepEqual(client.netFacts().connections[transport], 1)
      assert.equal(client.netFacts().connections.direct, 1)
    })
  }

  it('speaks Noise with peers that know nothing else', async () => {
    await using server = await startTestHost()
    await serveEcho(server)
    const old = await createLibp2p({ transports: [tcp()], connectionEncrypters: [noise()], streamMuxers: [yamux()] })
    try {
      const connection = await old.dial(multiaddr(addressOf(server)))
      assert.equal(connection.encryption, '/noise')
      assert.equal(await echoed(connection, BULK_BYTES), BULK_BYTES)
    } finally {
      await old.stop()
    }
  })

  it('has the id that follows from the device key', async () => {
    const signer = signerNamed('device')
    await using host = await startTestHost({ seed: createHash('sha256').update('device').digest() })
    assert.equal(host.id, peerIdOf(signer.publicKey))
    assert.ok(host.addresses().every((address) => address.endsWith(`/p2p/${host.id}`)))
  })

  it('refuses a key that is not that of the address', async () => {
    await using server = await startTestHost()
    await using stranger = await startTestHost()
    await using client = await startTestHost({ listen: undefined })
    const lie = addressOf(server).replace(server.id, stranger.id)
    await assert.rejects(client.node.dial(multiaddr(lie)))
    assert.equal(client.node.getConnections().length, 0)
  })

  it('names the address that is taken', async () => {
    const other = createServer().listen(0, '127.0.0.1')
    await new Promise((listening) => other.once('listening', listening))
    const address = other.address()
    assert.ok(address instanceof Object)
    try {
      const starting = startTestHost({ listen: { host: '127.0.0.1', port: address.port } })
      await assert.rejects(starting, {
        code: 'port_in_use',
        message: new RegExp(`127\\.0\\.0\\.1 port ${address.port}`),
      })
    } finally {
      other.close()
    }
  })

  it('refuses a host name to listen on', async () => {
    const starting = startTestHost({ listen: { host: 'gw.example', port: 0 } })
    await assert.rejects(starting, { code: 'config_invalid', message: /mesh\.listen: gw\.example/ })
  })

  it('refuses a port that leaves none for WebSocket', async () => {
    const starting = startTestHost({ listen: { host: '127.0.0.1', port: 65_535 } })
    await assert.rejects(starting, { code: 'config_invalid', message: /mesh\.listen: after port 65535/ })
  })

  it('tells no address that means another machine elsewhere, where it has others', () => {
    const filter = announceFilterOf('0.0.0.0')
    const told = (...addresses: readonly string[]) => filter(addresses.map((address) => multiaddr(address))).map(String)
    const good = ['/ip4/192.168.1.7/tcp/1', '/ip6/fd00::2/tcp/1', '/dns4/gw.example/tcp/1']
    assert.deepEqual(
      told('/ip4/127.0.0.1/tcp/1', '/ip6/::1/tcp/1', '/ip4/169.254.1.1/tcp/1', '/ip6/fe80::1/tcp/1', ...good),
      good,
    )
    assert.deepEqual(told('/ip4/127.0.0.1/tcp/1'), ['/ip4/127.0.0.1/tcp/1'])
    assert.equal(announceFilterOf('127.0.0.1')([multiaddr('/ip4/127.0.0.1/tcp/1')]).length, 1)
  })

  it('tells the addresses it was given, besides its own', async () => {
    const given = '/dns4/gw.example/tcp/11441'
    await using host = await startTestHost({ publicAddresses: [given] })
    assert.ok(host.addresses().includes(`${given}/p2p/${host.id}`))
    assert.ok(host.addresses().some((address) => address.startsWith('/ip4/127.0.0.1/')))
  })

  it('says what it knows of its place', async () => {
    await using host = await startTestHost({ quic: false })
    const facts = host.netFacts()
    assert.equal(facts.reachability, 'unknown')
    assert.equal(facts.listenAddresses.length, 2)
    assert.equal(facts.quicOff, 'turned off')
    assert.equal(facts.mdns, false)
    assert.equal(facts.relayedNodes, undefined)
    assert.deepEqual(facts.relays, [])
    assert.equal(facts.connections.total, 0)
    await using bootstrap = await startTestHost({ publicAddresses: ['/ip4/1.2.3.4/tcp/11441'], relayServer: true })
    assert.equal(bootstrap.netFacts().reachability, 'public')
    assert.equal(bootstrap.netFacts().relayedNodes, 0)
  })
})

describe('a pre-shared key', () => {
  const key = (fill: number): Uint8Array => new Uint8Array(32).fill(fill)

  it('lets those in who have it', async () => {
    await using server = await startTestHost({ presharedKey: key(1) })
    await using client = await startTestHost({ presharedKey: key(1), listen: undefined })
    await serveEcho(server)
    for (const transport of ['tcp', 'websocket'] as const) {
      const connection = await client.node.dial(multiaddr(addressOf(server, transport)))
      assert.equal(await echoed(connection, BULK_BYTES), BULK_BYTES)
      await connection.close()
    }
  })

  for (const [who, presharedKey] of [
    ['another key', key(2)],
    ['no key', undefined],
  ] as const) {
    it(`keeps those out who have ${who}`, async () => {
      await using server = await startTestHost({ presharedKey: key(1) })
      await using client = await startTestHost({ presharedKey, listen: undefined })
      await assert.rejects(client.node.dial(multiaddr(addressOf(server))))
      assert.equal(server.node.getConnections().length, 0)
    })
  }

  it('turns QUIC off, which it could not protect', async () => {
    await using host = await startTestHost({ presharedKey: key(1) })
    assert.equal(host.netFacts().quicOff, 'not usable with a pre-shared key')
    assert.ok(!host.addresses().some((address) => address.includes('quic')))
  })

  it('must have 32 bytes', async () => {
    await assert.rejects(startTestHost({ presharedKey: new Uint8Array(31) }), RangeError)
  })
})

describe('the gate of a node', () => {
  for (const transport of ['tcp', 'quic'] as const) {
    it(`ends connections from peers who may not connect, over ${transport}`, async () => {
      await using client = await startTestHost({ listen: undefined })
      await using server = await startTestHost({ gate: { ...OPEN_GATE, mayConnect: (peer) => peer !== client.id } })
      await client.node.dial(multiaddr(addressOf(server, transport))).catch(() => undefined)
      await waitUntil(() => client.node.getConnections().length === 0, 'the connection to end')
      assert.equal(server.node.getConnections().length, 0)
    })
  }

  it('does not dial them either', async () => {
    await using server = await startTestHost()
    await using client = await startTestHost({ listen: undefined, gate: { ...OPEN_GATE, mayConnect: () => false } })
    await assert.rejects(client.node.dial(multiaddr(addressOf(server))))
    assert.equal(server.node.getConnections().length, 0)
  })

  it('takes a bounded number of connections from one block of the internet, members aside', async () => {
    await using host = await startTestHost()
    await using member = await startTestHost()
    const gate = new ConnectionGate({ ...OPEN_GATE, isTrusted: (peer) => peer === member.id })
    const from = (address: string) =>
      ({ remoteAddr: multiaddr(address), direction: 'inbound' }) as unknown as Connection
    const open = Array.from({ length: limit('meshConnectionsPerBlock') }, (_, at) => from(`/ip4/1.2.3.${at}/tcp/1`))
    const asked = (address: string, peer = host) =>
      gate.denyInboundEncryptedConnection(peer.node.peerId, from(address) as never)
    gate.countIn(() => open.slice(1))
    assert.equal(asked('/ip4/1.2.3.200/tcp/1'), false)
    gate.countIn(() => open)
    assert.equal(asked('/ip4/1.2.3.200/tcp/1'), true)
    assert.equal(asked('/ip4/1.2.3.200/tcp/1', member), false)
    assert.equal(asked('/ip4/1.2.4.200/tcp/1'), false)
    gate.countIn(() => Array.from({ length: 100 }, () => from('/ip4/192.168.1.7/tcp/1')))
    assert.equal(asked('/ip4/192.168.1.7/tcp/1'), false)
  })
})
