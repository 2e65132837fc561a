/** Private networks on several machines: made, joined by file, used, left. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { deviceNamed, NOW, scheme } from '../../test/support/identity.ts'
import { MemoryNetworkStore } from '../adapters/memory/memory-network-store.ts'
import { ed25519Keys } from '../adapters/system/ed25519-signer.ts'
import { asUnixMs, type NodeId, type UnixMs } from '../core/ids.ts'
import { limit } from '../core/limits.ts'
import { encodeGenesis, OPEN_NETWORK } from '../core/network/genesis.ts'
import { joinFileText, parseJoinFile } from '../core/network/join-file.ts'
import { openActiveNetwork } from './active-network.ts'
import {
  createNetwork,
  joinFileFor,
  joinNetwork,
  leaveNetwork,
  listNetworks,
  showNetwork,
  useNetwork,
} from './network-actions.ts'
import type { NetworkDeps } from './own-membership.ts'

interface Machine extends NetworkDeps {
  readonly store: MemoryNetworkStore
  readonly device: NodeId
  readonly clock: { at: UnixMs; now(): UnixMs }
}

function machine(name: string): Machine {
  const clock = {
    at: NOW,
    now(): UnixMs {
      return this.at
    },
  }
  return {
    store: new MemoryNetworkStore(scheme),
    keys: ed25519Keys,
    verifier: scheme,
    clock,
    device: deviceNamed(name),
  }
}

const create = (deps: Machine, name = 'workshop', hasPresharedKey = false) =>
  createNetwork(deps, name, { device: deps.device, hasPresharedKey })
const noDevice = { addresses: [], forDevice: undefined }

describe('createNetwork', () => {
  it('makes a network of which this machine is a member, and uses it', async () => {
    const one = machine('one')
    const view = await create(one)
    assert.equal(view.name, 'workshop')
    assert.equal(view.isActive, true)
    assert.equal(view.isPrivate, true)
    assert.equal(view.hasKey, true)
    assert.equal(view.memberUntil, NOW + limit('certificateMs'))
    const { network } = await openActiveNetwork(one, one.device)
    assert.equal(network.id, view.id)
    const membership = network.membershipFor(one.device)
    assert.equal(network.objectionTo({ peer: one.device, membership }, NOW), undefined)
    assert.equal(network.membershipFor(deviceNamed('two')), undefined)
    assert.equal(network.presharedKey, undefined)
    const hidden = await create(one, 'attic', true)
    assert.equal(hidden.hasPresharedKey, true)
    assert.equal((await openActiveNetwork(one, one.device)).network.presharedKey?.length, 32)
  })

  it('refuses names that cannot be shown or mean something else', async () => {
    const one = machine('one')
    for (const name of ['', 'open', ' x', 'a\u202eb', 'x'.repeat(65)]) {
      await assert.rejects(create(one, name), { code: 'usage' }, JSON.stringify(name))
    }
    assert.equal((await listNetworks(one, one.device)).length, 1)
  })
})

describe('joinNetwork', () => {
  it('makes another machine a member by a file with the key, which may admit others in turn', async () => {
    const [one, two, three] = [machine('one'), machine('two'), machine('three')]
    const made = await create(one, 'workshop', true)
    const addresses = ['/ip4/192.0.2.1/tcp/11441']
    const text = await joinFileFor(one, undefined, { addresses, forDevice: undefined })
    const view = await joinNetwork(two, `\n${text}\n`, two)
    assert.deepEqual({ ...view, addresses: [] }, { ...made, addresses: [] })
    assert.deepEqual(view.addresses, addresses)
    await joinNetwork(three, await joinFileFor(two, 'workshop', noDevice), three)
    const networks = await Promise.all([one, two, three].map((each) => openActiveNetwork(each, each.device)))
    for (const { network } of networks) {
      assert.deepEqual(network.presharedKey, networks[0]?.network.presharedKey)
      for (const other of [one, two, three]) {
        const membership = networks[[one, two, three].indexOf(other)]?.network.membershipFor(other.device)
        assert.equal(network.objectionTo({ peer: other.device, membership }, NOW), undefined)
      }
    }
    assert.deepEqual(networks[1]?.network.bootstrapAddresses, addresses)
  })

  it('admits one device by a file for it, and no other', async () => {
    const [one, two, three] = [machine('one'), machine('two'), machine('three')]
    await create(one)
    const text = await joinFileFor(one, 'workshop', { addresses: [], forDevice: two.device })
    assert.equal(parsedOf(text).networkSeed, undefined)
    const view = await joinNetwork(two, text, two)
    assert.equal(view.hasKey, false)
    assert.equal(view.memberUntil, NOW + limit('certificateMs'))
    await assert.rejects(joinNetwork(three, text, three), { code: 'identity_refused', message: /belongs to device/ })
    assert.equal((await listNetworks(three, three.device)).length, 1)
    await assert.rejects(joinFileFor(two, 'workshop', noDevice), { code: 'not_found' })
  })

  it('refuses what is no join file, another network’s key, and a file that admits nobody', async () => {
    const [one, two] = [machine('one'), machine('two')]
    await create(one)
    const text = await joinFileFor(one, undefined, noDevice)
    for (const other of [text.slice(0, -1), text.replace('join', 'account'), '', 'hello']) {
      await assert.rejects(joinNetwork(two, other, two), { code: 'invalid_request' })
    }
    const file = parsedOf(text)
    const wrongKey = joinFileText(scheme, { ...file, networkSeed: new Uint8Array(32).fill(9) })
    await assert.rejects(joinNetwork(two, wrongKey, two), {
      code: 'invalid_request',
      message: /not that of the network/,
    })
    const nobody = joinFileText(scheme, { ...file, networkSeed: undefined, membership: undefined })
    await assert.rejects(joinNetwork(two, nobody, two), { code: 'identity_refused' })
    const open = joinFileText(scheme, { ...file, genesis: encodeGenesis(OPEN_NETWORK) })
    await assert.rejects(joinNetwork(two, open, two), { code: 'invalid_request', message: /admits nobody/ })
    assert.equal((await listNetworks(two, two.device)).length, 1)
  })

  it('takes nothing away from a machine that joins again', async () => {
    const one = machine('one')
    await create(one)
    const text = await joinFileFor(one, undefined, { addresses: ['/ip4/192.0.2.1/tcp/1'], forDevice: one.device })
    const view = await joinNetwork(one, text, one)
    assert.equal(view.hasKey, true)
    const other = await joinFileFor(one, undefined, { addresses: [], forDevice: deviceNamed('two') })
    assert.equal((await joinNetwork(one, other, one)).memberUntil, NOW + limit('certificateMs'))
  })
})

describe('the network in use', () => {
  it('is one of those on the machine, by name or id, and the open one otherwise', async () => {
    const one = machine('one')
    const [first, second] = [await create(one, 'first'), await create(one, 'second')]
    assert.equal((await showNetwork(one, undefined, one.device)).name, 'second')
    await useNetwork(one, first.id, one)
    const names = (await listNetworks(one, one.device)).map(({ name, isActive }) => `${name} ${isActive}`)
    assert.deepEqual(names.sort(), ['first true', 'open false', 'second false'])
    assert.equal((await useNetwork(one, 'open', one)).isPrivate, false)
    assert.equal((await openActiveNetwork(one, one.device)).network.isPrivate, false)
    await useNetwork(one, 'second', one)
    assert.equal(await leaveNetwork(one, 'second'), second.id)
    assert.equal((await showNetwork(one, undefined, one.device)).name, 'open')
    await assert.rejects(useNetwork(one, 'second', one), { code: 'not_found' })
  })

  it('is named by its id where two have one name', async () => {
    const one = machine('one')
    const [first] = [await create(one, 'twin'), await create(one, 'twin')]
    await assert.rejects(useNetwork(one, 'twin', one), { code: 'conflict' })
    assert.equal((await useNetwork(one, first.id, one)).id, first.id)
  })

  it('renews the membership of a machine with the key, a month before its end', async () => {
    const one = machine('one')
    await create(one)
    const active = await openActiveNetwork(one, one.device)
    const before = active.network.membershipFor(one.device)
    one.clock.at = asUnixMs(NOW + limit('certificateMs') - limit('certificateRenewMs') - 1)
    assert.equal(await active.renewIfDue(), false)
    assert.deepEqual(active.network.membershipFor(one.device), before)
    one.clock.at = asUnixMs(one.clock.at + 1)
    assert.equal(await active.renewIfDue(), true)
    assert.equal(await active.renewIfDue(), false)
    assert.notDeepEqual(active.network.membershipFor(one.device), before)
    assert.equal(active.memberUntil(), one.clock.at + limit('certificateMs'))
    assert.equal((await showNetwork(one, undefined, one.device)).memberUntil, active.memberUntil())
  })

  it('lets a machine without the key live on what it has, then says how to get another', async () => {
    const [one, two] = [machine('one'), machine('two')]
    const { id } = await create(one)
    await joinNetwork(two, await joinFileFor(one, id, { addresses: [], forDevice: two.device }), two)
    const active = await openActiveNetwork(two, two.device)
    two.clock.at = asUnixMs(NOW + limit('certificateMs') - 1)
    assert.equal(await active.renewIfDue(), false)
    for (const each of [one, two]) each.clock.at = asUnixMs(NOW + limit('certificateMs') + limit('clockToleranceMs'))
    const refused = { code: 'identity_refused', message: /no member of the network "workshop": it ended/ }
    await assert.rejects(active.renewIfDue(), refused)
    await assert.rejects(openActiveNetwork(two, two.device), refused)
    // A new file, taken by a command while the node runs.
    await joinNetwork(two, await joinFileFor(one, id, { addresses: [], forDevice: two.device }), two)
    assert.equal(await active.renewIfDue(), true)
  })

  it('gives a new device key a membership of its own where the machine holds the key', async () => {
    const one = machine('one')
    await create(one)
    const rotated = deviceNamed('one anew')
    const { network } = await openActiveNetwork(one, rotated)
    assert.equal(network.objectionTo({ peer: rotated, membership: network.membershipFor(rotated) }, NOW), undefined)
  })

  it('never tells a name as part of a command', async () => {
    const [one, two] = [machine('one'), machine('two')]
    await create(one, "'; rm -rf ~; '")
    const text = await joinFileFor(one, undefined, { addresses: [], forDevice: deviceNamed('three') })
    await assert.rejects(joinNetwork(two, text, two), (error: Error & { details: { fix?: string } }) => {
      assert.ok(!error.details.fix?.includes('rm -rf'))
      return true
    })
  })
})

function parsedOf(text: string) {
  const parsed = parseJoinFile(scheme, text)
  return parsed.kind === 'ok' ? parsed.value : assert.fail(parsed.kind)
}
