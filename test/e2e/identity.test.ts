/** `heddle identity` over the files of machines whose nodes do not run, and beside one that does: every command, documents and exit codes. */
import assert from 'node:assert/strict'
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import type { z } from 'zod'
import { DeviceList, IdentityDocument, SignedActionDocument } from '../../src/core/wire/admin-identity.ts'
import { type Called, type CallOptions, cliIn } from '../support/cli-process.ts'

const folder = mkdtempSync(join(tmpdir(), 'heddle-identity-'))
const inFolder = (name: string): string => join(folder, name)
const PASSPHRASE = 'eight tame ponies'

after(() => rmSync(folder, { recursive: true, force: true }))

function machine(name: string) {
  const home = inFolder(name)
  const cli = cliIn(home)
  const call = (args: readonly string[], options: CallOptions = {}): Promise<Called> => cli.call(args, options)
  return {
    home,
    call,
    async document<T extends z.ZodType>(
      schema: T,
      args: readonly string[],
      options?: CallOptions,
    ): Promise<z.infer<T>> {
      const { code, out, err } = await call([...args, '--json'], options)
      assert.equal(code, 0, err)
      return schema.parse(JSON.parse(out))
    },
    /** Its keys are made as at a first start. */
    async makeKeys(): Promise<void> {
      const { code, err } = await call(['network', 'create', 'home'])
      assert.equal(code, 0, err)
    },
    async remove(): Promise<void> {
      await call(['down', '--now'])
    },
  }
}

function passphraseFile(name: string, text = PASSPHRASE): string {
  const path = inFolder(name)
  writeFileSync(path, `${text}\n`, { mode: 0o600 })
  return path
}

describe('identity', () => {
  it('is told of without a passphrase, and does not exist before the first start', async () => {
    const one = machine('told')
    const { code, err } = await one.call(['identity'])
    assert.equal(code, 5)
    assert.match(err, /no identity yet.*\n {2}try: heddle up/)
    await one.makeKeys()
    const identity = await one.document(IdentityDocument, ['identity'])
    assert.match(identity.account, /^[0-9a-f]{64}$/)
    assert.match(identity.device, /^12D3KooW/)
    assert.equal(identity.accountKey, 'here')
    assert.equal(identity.certificate?.state, 'valid')
    const text = (await one.call(['identity', 'show'])).out
    assert.ok(text.includes(identity.account) && text.includes('valid until'), text)
  })

  it('moves to another machine by a file under a passphrase', async () => {
    const [one, two] = [machine('from'), machine('to')]
    await one.makeKeys()
    const file = inFolder('ada.account')
    const passphrase = passphraseFile('export.pass')
    const exporting = ['identity', 'export', file, '--passphrase-file', passphrase]
    assert.equal((await one.call(exporting)).code, 0)
    assert.equal(statSync(file).mode & 0o777, 0o600)
    const again = await one.call(exporting)
    assert.equal(again.code, 2)
    assert.match(again.err, /exists already/)
    const wrong = await two.call(['identity', 'import', file, '--passphrase-file', '-'], {
      input: 'eight tame mules\n',
    })
    assert.equal(wrong.code, 4)
    assert.match(wrong.err, /wrong_passphrase/)
    const taken = await two.call(['identity', 'import', file, '--passphrase-file', passphrase])
    assert.equal(taken.code, 0, taken.err)
    const [ofOne, ofTwo] = [
      await one.document(IdentityDocument, ['identity']),
      await two.document(IdentityDocument, ['identity']),
    ]
    assert.equal(ofTwo.account, ofOne.account)
    assert.notEqual(ofTwo.device, ofOne.device)
    const noPassphrase = await two.call(['identity', 'import', file])
    assert.equal(noPassphrase.code, 2)
    assert.match(noPassphrase.err, /--passphrase-file/)
    const broken = await two.call(['identity', 'import', '-', '--passphrase-file', passphrase], { input: 'hello' })
    assert.equal(broken.code, 2)
    assert.match(broken.err, /not an export of an account/)
  })

  it('replaces an account only when told to, and keeps the key it had', async () => {
    const [one, two] = [machine('first owner'), machine('second owner')]
    await one.makeKeys()
    await two.makeKeys()
    const passphrase = passphraseFile('replace.pass')
    const file = inFolder('first.account')
    await one.call(['identity', 'export', file, '--passphrase-file', passphrase])
    const refused = await two.call(['identity', 'import', file, '--passphrase-file', passphrase])
    assert.equal(refused.code, 1)
    assert.match(refused.err, /--replace/)
    assert.equal((await two.call(['identity', 'import', file, '--replace', '--passphrase-file', passphrase])).code, 0)
    const keys = readdirSync(join(two.home, 'data/keys'))
    assert.ok(
      keys.some((name) => /^account-[0-9a-f]{16}-\w{8}\.key$/.test(name)),
      keys.join(),
    )
  })

  it('gets new keys, of which others are told what the old ones were', async () => {
    const one = machine('rotating')
    await one.makeKeys()
    const before = await one.document(IdentityDocument, ['identity'])
    const rotated = await one.document(SignedActionDocument, ['identity', 'rotate'])
    assert.deepEqual({ account: rotated.account, isNew: rotated.isNew }, { account: before.account, isNew: true })
    const { device } = await one.document(SignedActionDocument, ['identity', 'rotate-device'])
    const now = await one.document(IdentityDocument, ['identity'])
    assert.equal(now.account, before.account)
    assert.equal(now.accountRotations, 1)
    assert.equal(now.device, device)
    const { devices } = await one.document(DeviceList, ['identity', 'devices'])
    assert.deepEqual(
      devices.map((each) => [each.device, each.isThisDevice, each.end?.reason, each.end?.successor]),
      [
        [device, true, undefined, undefined],
        [before.device, false, 'rotated', device],
      ],
    )
  })

  it('revokes other machines, for good, and not itself', async () => {
    const [one, two] = [machine('revoking'), machine('revoked')]
    await one.makeKeys()
    await two.makeKeys()
    const { device } = await two.document(IdentityDocument, ['identity'])
    const revoking = ['identity', 'devices', 'revoke', device, '--reason', 'lost']
    assert.equal((await one.document(SignedActionDocument, revoking)).isNew, true)
    assert.equal((await one.document(SignedActionDocument, revoking)).isNew, false)
    const text = (await one.call(['identity', 'devices', 'ls'])).out
    assert.match(text, new RegExp(`- ${device} +revoked \\(lost\\) 20`))
    const own = (await one.document(IdentityDocument, ['identity'])).device
    const suicide = await one.call(['identity', 'devices', 'revoke', own])
    assert.equal(suicide.code, 1)
    assert.match(suicide.err, /rotate-device/)
    assert.equal((await one.call(['identity', 'devices', 'revoke', 'attic'])).code, 2)
    assert.equal((await one.call(['identity', 'devices', 'revoke', device, '--reason', 'whim'])).code, 2)
  })

  it('is sealed by a passphrase that is nowhere shown', async () => {
    const one = machine('sealed')
    await one.makeKeys()
    const none = await one.call(['identity', 'seal'])
    assert.equal(none.code, 2)
    assert.match(none.err, /identity\.passphrase_file/)
    const env = { HEDDLE_IDENTITY_PASSPHRASE_FILE: passphraseFile('keys.pass') }
    assert.equal((await one.call(['identity', 'seal'], { env })).code, 0)
    for (const name of ['account.key', 'device.key']) {
      assert.match(readFileSync(join(one.home, 'data/keys', name), 'utf8'), /^heddle-sealed-key-1\./)
    }
    assert.equal((await one.document(IdentityDocument, ['identity'])).accountKey, 'sealed')
    const locked = await one.call(['identity', 'rotate'])
    assert.equal(locked.code, 4)
    assert.match(locked.err, /key_locked/)
    const start = await one.call(['serve'])
    assert.equal(start.code, 4)
    assert.match(start.err, /key_locked.*\n {2}try: heddle config set identity\.passphrase_file/)
    const wrong = await one.call(['identity', 'rotate'], { env: { HEDDLE_PASSPHRASE: 'eight tame mules' } })
    assert.equal(wrong.code, 4)
    chmodSync(env.HEDDLE_IDENTITY_PASSPHRASE_FILE, 0o644)
    const open = await one.call(['identity', 'rotate'], { env })
    assert.equal(open.code, 10)
    assert.match(open.err, /insecure_file_mode.*\n {2}try: chmod 600/)
    const right = await one.call(['identity', 'rotate', '--trace'], { env: { HEDDLE_PASSPHRASE: PASSPHRASE } })
    assert.equal(right.code, 0, right.err)
    const listed = await one.call(['config', 'list', '--show-origin'], { env: { HEDDLE_PASSPHRASE: PASSPHRASE } })
    for (const text of [right.out, right.err, listed.out, listed.err]) assert.ok(!text.includes(PASSPHRASE))
  })

  it('does not change under a running node, which tells and revokes itself', async () => {
    const one = machine('running')
    const up = await one.call(['up'])
    assert.equal(up.code, 0, up.err)
    try {
      const identity = await one.document(IdentityDocument, ['identity'])
      for (const change of [['rotate'], ['rotate-device'], ['import', '-', '--passphrase-file', passphraseFile('x')]]) {
        const { code, err } = await one.call(['identity', ...change], { input: 'hello' })
        assert.equal(code, 1, change[0])
        assert.match(err, /stop it first.*\n {2}try: heddle down/)
      }
      const other = machine('other of running')
      await other.makeKeys()
      const { device } = await other.document(IdentityDocument, ['identity'])
      assert.equal((await one.document(SignedActionDocument, ['identity', 'devices', 'revoke', device])).isNew, true)
      const { devices } = await one.document(DeviceList, ['identity', 'devices'])
      assert.deepEqual(
        devices.map((each) => each.device),
        [identity.device, device],
      )
    } finally {
      await one.remove()
    }
  })
})
