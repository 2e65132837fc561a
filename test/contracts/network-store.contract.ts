/** What every store of networks must do. */
import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import type { NetworkId } from '../../src/core/ids.ts'
import { encodeGenesis, networkIdOf } from '../../src/core/network/genesis.ts'
import type { JoinFile } from '../../src/core/network/join-file.ts'
import type { NetworkStore } from '../../src/ports/network-store.ts'
import { NOW, scheme, signerNamed } from '../support/identity.ts'

export function networkNamed(name: string): JoinFile & { readonly id: NetworkId } {
  const networkKey = signerNamed(name).publicKey
  const nonce = new Uint8Array(16)
  const genesis = encodeGenesis({ name, createdAt: NOW, nonce, networkKey, extensions: new Map() })
  return {
    id: networkIdOf(scheme, genesis),
    genesis,
    addresses: ['/ip4/192.0.2.1/tcp/11441'],
    networkSeed: new Uint8Array(32).fill(1),
    membership: new Uint8Array(200).fill(2),
    presharedKey: undefined,
  }
}

/** @param open gives what opens one and the same store, each time it is called */
export function networkStoreContract(name: string, open: (t: TestContext) => Promise<() => NetworkStore>): void {
  describe(`${name} as a NetworkStore`, () => {
    const [attic, barn] = [networkNamed('attic'), networkNamed('barn')]

    it('holds nothing at first, and the open network is active', async (t) => {
      const store = (await open(t))()
      assert.deepEqual(await store.list(), [])
      assert.equal(await store.read(attic.id), undefined)
      assert.equal(await store.active(), undefined)
    })

    it('reads what was written, also when opened again', async (t) => {
      const again = await open(t)
      await again().write(barn)
      await again().write(attic)
      const { id, ...file } = attic
      const read = await again().read(id)
      assert.equal(read?.network.id, id)
      assert.equal(read?.network.genesis.name, 'attic')
      const { network: _, ...rest } = read ?? assert.fail()
      assert.deepEqual(rest, file)
      const ids = (await again().list()).map(({ network }) => network.id)
      assert.deepEqual(ids, [attic.id, barn.id].sort())
    })

    it('keeps one state of each network', async (t) => {
      const again = await open(t)
      await again().write(attic)
      await again().write({ ...attic, networkSeed: undefined, addresses: [] })
      const [only, ...others] = await again().list()
      assert.deepEqual(others, [])
      assert.equal(only?.networkSeed, undefined)
      assert.deepEqual(only?.addresses, [])
    })

    it('has one active network at most', async (t) => {
      const again = await open(t)
      await again().write(attic)
      await again().write(barn)
      await again().activate(attic.id)
      await again().activate(barn.id)
      assert.equal(await again().active(), barn.id)
      await again().remove(attic.id)
      assert.equal(await again().active(), barn.id)
      await again().remove(barn.id)
      assert.equal(await again().active(), undefined)
      assert.deepEqual(await again().list(), [])
      await again().activate(undefined)
      assert.equal(await again().active(), undefined)
    })
  })
}
