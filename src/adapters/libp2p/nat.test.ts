/** Nodes behind routers that translate addresses, in network namespaces: relays, hole punching, and the LAN behind a router. */
import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import { type RemoteHost, startHostOn } from '../../../test/support/host-in-namespace.ts'
import { type Machine, NetworkLab, namespacesMissing } from '../../../test/support/namespaces.ts'

const PORT = 11_441
const MEBIBYTE = 1024 * 1024
const missing = namespacesMissing()

const tcp = ({ address }: Machine, port = PORT): string => `/ip4/${address}/tcp/${port}`
const quic = ({ address }: Machine): string => `/ip4/${address}/udp/${PORT}/quic-v1`

/** A relay and one more machine that everybody reaches, and two LANs of two machines each, behind routers. */
function openWorld() {
  const lab = new NetworkLab()
  lab.switch('net', '11.0.0')
  lab.switch('left', '192.168.1')
  lab.switch('right', '192.168.2')
  lab.nat('nl', { inside: 'left', outside: 'net', number: 101 })
  lab.nat('nr', { inside: 'right', outside: 'net', number: 102 })
  const hidden = (name: string, on: string, number: number): Machine => {
    const machine = lab.machine(name, on, { number })
    lab.routeThroughNat(machine)
    return machine
  }
  const relay = lab.machine('r', 'net', { number: 2 })
  const open = lab.machine('o', 'net', { number: 3 })
  return {
    lab,
    relay,
    open,
    left: hidden('l', 'left', 2),
    left2: hidden('m', 'left', 3),
    right: hidden('q', 'right', 2),
  }
}
type World = ReturnType<typeof openWorld>

function startRelay({ lab, relay }: World): Promise<RemoteHost> {
  return startHostOn(lab, relay, { relayServer: true, publicAddresses: [tcp(relay), quic(relay)] })
}

/** A node that dialled the relay by `by` and has a place there. */
async function startHidden(
  t: TestContext,
  world: World,
  machine: Machine,
  by = tcp,
): Promise<{ readonly host: RemoteHost; readonly circuit: string }> {
  const host = await startHostOn(world.lab, machine, {})
  await host.ask({ do: 'dial', address: by(world.relay) })
  const { addresses, tookMs } = await host.ask({ do: 'await-circuit', withinMs: 10_000 })
  told(t, 'a place at the relay after', tookMs)
  const circuit = addresses.find(
    (address) => address.includes(`${world.relay.address}/tcp/${PORT}/`) && address.includes('/p2p-circuit'),
  )
  assert.ok(circuit !== undefined, addresses.join(' '))
  return { host, circuit }
}

function told(t: TestContext, what: string, value: number | undefined): void {
  t.diagnostic(`${what}: ${Math.round(value ?? Number.NaN)} ms`)
}

describe('a node behind NAT', () => {
  if (missing !== undefined) {
    it('needs a machine that can make network namespaces', () => {
      assert.match(missing, /root, iproute2 and nftables are needed/)
    })
    return
  }

  it('is reached over a relay, and directly soon after by a node that has a public address', async (t) => {
    const world = openWorld()
    using _lab = world.lab
    await using relay = await startRelay(world)
    const { host: hidden, circuit } = await startHidden(t, world, world.left)
    await using _hidden = hidden
    await using open = await startHostOn(world.lab, world.open, { publicAddresses: [tcp(world.open)] })
    await open.ask({ do: 'dial', address: tcp(world.relay) })
    told(t, 'over the relay', (await open.ask({ do: 'dial', address: circuit })).tookMs)
    told(t, 'direct after', (await open.ask({ do: 'await-direct', peer: hidden.id, withinMs: 10_000 })).tookMs)
    const { countedBytes } = await open.ask({
      do: 'upload',
      peer: hidden.id,
      sizeBytes: MEBIBYTE,
      chunks: 16,
      pauseMs: 0,
    })
    assert.equal(countedBytes, MEBIBYTE)
    const { facts } = await hidden.ask({ do: 'facts' })
    assert.deepEqual(facts.relays, [relay.id])
    assert.notEqual(facts.reachability, 'public')
    assert.equal((await relay.ask({ do: 'facts' })).facts.reachability, 'public')
  })

  it('is reached over a relay that it dialled by QUIC', async (t) => {
    const world = openWorld()
    using _lab = world.lab
    await using _relay = await startRelay(world)
    const { host: hidden, circuit } = await startHidden(t, world, world.left, quic)
    await using _hidden = hidden
    await using open = await startHostOn(world.lab, world.open, {})
    told(t, 'over the relay', (await open.ask({ do: 'dial', address: circuit })).tookMs)
  })

  it('moves ten mebibytes over a circuit to a node behind another router', async (t) => {
    const world = openWorld()
    using _lab = world.lab
    await using _relay = await startRelay(world)
    const { host: hidden, circuit } = await startHidden(t, world, world.left)
    await using _hidden = hidden
    const { host: caller } = await startHidden(t, world, world.right)
    await using _caller = caller
    told(t, 'over the relay', (await caller.ask({ do: 'dial', address: circuit })).tookMs)
    const upload = { do: 'upload', peer: hidden.id, sizeBytes: 10 * MEBIBYTE, chunks: 160, pauseMs: 20 } as const
    const { countedBytes, tookMs, facts } = await caller.ask(upload)
    told(t, 'ten mebibytes', tookMs)
    assert.equal(countedBytes, upload.sizeBytes)
    assert.equal(facts.connections.circuit, 1)
  })

  it('finds another node of its LAN without a bootstrap', async (t) => {
    const world = openWorld()
    using _lab = world.lab
    await using one = await startHostOn(world.lab, world.left, { mdns: true })
    await using two = await startHostOn(world.lab, world.left2, { mdns: true })
    const { tookMs, peers, facts } = await two.ask({ do: 'await-peer', withinMs: 20_000 })
    told(t, 'found', tookMs)
    assert.deepEqual(peers, [one.id])
    assert.equal(facts.mdns, true)
    assert.equal(facts.connections.direct, facts.connections.total)
  })
})
