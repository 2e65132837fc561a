/** Credentials of a running node: renewed in time, and told of where they cannot be. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { accountNamed, identityInMemory, NOW, scheme } from '../../test/support/identity.ts'
import { RecordingLogger } from '../../test/support/recording-logger.ts'
import { MemoryClock } from '../adapters/memory/memory-clock.ts'
import { MemoryNetworkStore } from '../adapters/memory/memory-network-store.ts'
import { keySealer } from '../adapters/system/sealed-key.ts'
import { roleMaskOf } from '../core/identity/roles.ts'
import { asUnixMs } from '../core/ids.ts'
import { limit } from '../core/limits.ts'
import { exportAccount, importAccount, rotateAccount } from './account-actions.ts'
import { openActiveNetwork } from './active-network.ts'
import { CredentialUpkeep } from './credential-upkeep.ts'
import { createNetwork } from './network-actions.ts'
import { openOwnIdentity } from './open-own-identity.ts'

const options = { passphrase: undefined, roles: roleMaskOf(['provider', 'gateway']) }

async function running({ isKeyElsewhere = false } = {}) {
  const clock = new MemoryClock()
  const log = new RecordingLogger()
  const deps = { ...identityInMemory(), clock }
  const identity = await openOwnIdentity(deps, options)
  const networks = { store: new MemoryNetworkStore(scheme), keys: deps.keys, verifier: scheme, clock }
  await createNetwork(networks, 'workshop', { device: identity.device, hasPresharedKey: false })
  const [stored] = await networks.store.list()
  if (isKeyElsewhere && stored !== undefined) await networks.store.write({ ...stored, networkSeed: undefined })
  const active = await openActiveNetwork(networks, identity.device)
  const counts = { renewed: 0, rechecks: 0 }
  const upkeep = new CredentialUpkeep({
    clock,
    log,
    identity,
    statements: deps.store.statements,
    active,
    onRenewed: () => {
      counts.renewed += 1
    },
    recheck: () => {
      counts.rechecks += 1
    },
  })
  return { clock, log, deps, identity, networks, active, counts, upkeep }
}

describe('CredentialUpkeep', () => {
  it('renews certificate and membership a month before their end, and says so once', async () => {
    const { clock, identity, active, counts, upkeep } = await running()
    upkeep.start()
    const [certificate, until] = [identity.certificate(), active.memberUntil()]
    await clock.advance(limit('certificateMs') - limit('certificateRenewMs') - limit('credentialCheckMs'))
    assert.deepEqual(identity.certificate(), certificate)
    assert.equal(counts.renewed, 0)
    await clock.advance(2 * limit('credentialCheckMs'))
    assert.ok(identity.certificate().certificate.serial > certificate.certificate.serial)
    assert.ok((active.memberUntil() ?? 0) > (until ?? 0))
    assert.equal(counts.renewed, 1)
    assert.deepEqual(upkeep.problems(), [])
    upkeep[Symbol.dispose]()
  })

  it('has the credentials of others looked at every minute, until it is stopped', async () => {
    const { clock, counts, upkeep } = await running()
    upkeep.start()
    await clock.advance(10 * limit('recheckMs'))
    assert.equal(counts.rechecks, 10)
    upkeep[Symbol.dispose]()
    await clock.advance(10 * limit('recheckMs'))
    assert.equal(counts.rechecks, 10)
  })

  it('tells what it cannot renew, once in the log, until it can', async () => {
    const { deps, identity, log, counts, upkeep } = await running()
    const sealer = keySealer({ logN: 4, r: 8, p: 1 })
    const other = { ...identityInMemory(), clock: deps.clock, sealer }
    const exportPassphrase = 'eight tame ponies'
    const text = await exportAccount({ ...deps, sealer }, { passphrase: undefined, exportPassphrase })
    await importAccount(other, text, { ...options, exportPassphrase, mayReplace: false })
    // The account gets a new key on the other machine; this one hears of it.
    const { statements } = await rotateAccount(other, options)
    deps.book.addAll(statements)
    await upkeep.heard(statements.map((bytes) => ({ account: accountNamed('stranger'), bytes })))
    assert.deepEqual(upkeep.problems(), [])
    for (let time = 0; time < 2; time += 1) {
      await upkeep.heard(statements.map((bytes) => ({ account: identity.account, bytes })))
    }
    assert.deepEqual(await deps.store.statements.read(), statements)
    const [problem, ...others] = upkeep.problems()
    assert.deepEqual(others, [])
    assert.equal(problem?.credential, 'certificate')
    assert.equal(problem?.fix, 'heddle identity import <file>')
    assert.match(problem?.reason ?? '', /no other node would accept/)
    assert.equal(problem?.endsAt, asUnixMs(NOW + limit('certificateMs')))
    assert.equal(log.records.filter(({ message }) => message.includes('cannot be renewed')).length, 1)
    const anew = await exportAccount({ ...other, sealer }, { passphrase: undefined, exportPassphrase })
    await importAccount({ ...deps, sealer }, anew, { ...options, exportPassphrase, mayReplace: false })
    await upkeep.renew()
    assert.deepEqual(upkeep.problems(), [])
    assert.equal(counts.renewed, 1)
  })

  it('tells half a month before the end of a membership that only others can renew', async () => {
    const { clock, upkeep, identity, networks } = await running({ isKeyElsewhere: true })
    await clock.advance(limit('certificateMs') - limit('certificateRenewMs') / 2 - 1)
    assert.deepEqual(upkeep.problems(), [])
    await clock.advance(1)
    const [problem] = upkeep.problems()
    assert.equal(problem?.credential, 'membership')
    assert.match(problem?.reason ?? '', /"workshop" for 15 more days/)
    const id = await networks.store.active()
    assert.ok(problem?.fix?.startsWith(`heddle network show ${id} --join-file --for ${identity.device}`))
  })
})
