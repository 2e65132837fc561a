/** Private networks of real nodes: made, joined by file, closed to others; and what one's own machines are to each other. */
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it, type TestContext } from 'node:test'
import { CreatedKey } from '../../src/core/wire/admin-accounts.ts'
import { NodeList } from '../../src/core/wire/admin-mesh.ts'
import { type Called, cliIn } from '../support/cli-process.ts'
import { type MeshNode, startMeshNode, untilModels } from '../support/mesh-node.ts'
import { chat } from '../support/test-node.ts'
import { waitUntil } from '../support/wait-until.ts'

async function nodeNamed(
  t: TestContext,
  name: string,
  options: { bootstrap?: readonly string[] } = {},
): Promise<MeshNode> {
  const node = await startMeshNode({ name, ...options })
  t.after(() => node[Symbol.asyncDispose]())
  return node
}

async function heddle(node: MeshNode, ...args: string[]): Promise<Called> {
  const called = await cliIn(node.home).call(args)
  assert.equal(called.code, 0, called.err)
  return called
}

/** The text with which others join the network that the node, which runs, takes part in. */
async function joinFileOf(node: MeshNode, ...args: string[]): Promise<string> {
  return (await heddle(node, 'network', 'show', '--join-file', ...args)).out
}

async function joinWith(node: MeshNode, text: string): Promise<void> {
  const path = join(node.home, 'network.join')
  writeFileSync(path, text, { mode: 0o600 })
  await heddle(node, 'network', 'join', path)
  await node.restart()
}

async function nodesOf(node: MeshNode): Promise<readonly string[]> {
  const list = NodeList.parse(JSON.parse((await heddle(node, 'nodes', 'ls', '--json')).out))
  return list.nodes.map(({ name }) => name).sort()
}

describe('a private network', () => {
  it('serves its members each other’s models, and shows nobody else that they are there', async (t) => {
    const ada = await nodeNamed(t, 'ada')
    const made = await heddle(ada, 'network', 'create', 'workshop')
    assert.match(made.err, /the node runs on as it began.*heddle down && heddle up/)
    await ada.restart()
    const bob = await nodeNamed(t, 'bob')
    await joinWith(bob, await joinFileOf(ada))
    await untilModels(bob, ['ada', 'bob'])
    await untilModels(ada, ['ada', 'bob'])
    const answer = await bob.process.post('/v1/chat/completions', chat('ada'))
    assert.equal(answer.status, 200, await answer.clone().text())
    const { network } = await bob.status()
    assert.equal(network.name, 'workshop')
    assert.deepEqual(network, (await ada.status()).network)

    const { mesh } = await ada.status()
    const eve = await nodeNamed(t, 'eve', { bootstrap: mesh.addresses })
    // They are connected, and tell each other that they are of different networks.
    await waitUntil(() => /another network/.test(eve.process.output()), 'eve to be told', 20_000)
    const said = eve.process.output()
    const ids = [network.id, (await eve.status()).network.id]
    for (const id of ids) assert.ok(said.includes(id), id)
    assert.deepEqual(await nodesOf(eve), ['eve'])
    assert.deepEqual(await eve.models(), ['eve'])
    assert.deepEqual(await nodesOf(ada), ['ada', 'bob'])

    await heddle(bob, 'network', 'use', 'open')
    await bob.restart()
    await untilModels(ada, ['ada'], 90_000)
  })

  it('with a pre-shared key takes no connection of others, and admits one device by a file for it', async (t) => {
    const ada = await nodeNamed(t, 'ada')
    await heddle(ada, 'network', 'create', 'cellar', '--psk')
    await ada.restart()
    const bob = await nodeNamed(t, 'bob')
    const text = await joinFileOf(ada, '--for', (await bob.status()).node.id)
    await joinWith(bob, text)
    await untilModels(bob, ['ada', 'bob'])
    const eve = await nodeNamed(t, 'eve', { bootstrap: (await ada.status()).mesh.addresses })
    const path = join(eve.home, 'stolen.join')
    writeFileSync(path, text, { mode: 0o600 })
    const stolen = await cliIn(eve.home).call(['network', 'join', path])
    assert.equal(stolen.code, 4)
    assert.match(stolen.err, /does not admit this machine: it belongs to device/)
    assert.equal((await eve.status()).mesh.peers.direct, 0)
    assert.deepEqual(await nodesOf(ada), ['ada', 'bob'])
  })
})

describe('prompt trust', () => {
  it('keeps the prompts of a key to the machines of one’s own account', async (t) => {
    const ada = await nodeNamed(t, 'ada')
    const bootstrap = (await ada.status()).mesh.addresses
    const [laptop, bob] = [await nodeNamed(t, 'laptop'), await nodeNamed(t, 'bob', { bootstrap })]
    const passphrase = join(ada.home, 'pass')
    writeFileSync(passphrase, 'eight tame ponies\n', { mode: 0o600 })
    const account = join(ada.home, 'ada.account')
    await heddle(ada, 'identity', 'export', account, '--passphrase-file', passphrase)
    await laptop.kill()
    await heddle(laptop, 'identity', 'import', account, '--replace', '--passphrase-file', passphrase)
    await laptop.restart({ HEDDLE_BOOTSTRAP: bootstrap.join(',') })
    await untilModels(ada, ['ada', 'bob', 'laptop'])

    const made = await heddle(ada, 'keys', 'create', 'private', '--prompt-trust', 'self', '--json')
    const { secret, promptTrust } = CreatedKey.parse(JSON.parse(made.out))
    assert.equal(promptTrust, 'self')
    const ask = (model: string, key: string): Promise<Response> =>
      ada.process.post('/v1/chat/completions', chat(model), { headers: { authorization: `Bearer ${key}` } })
    for (const model of ['ada', 'laptop']) assert.equal((await ask(model, secret)).status, 200, model)
    const refused = await ask('bob', secret)
    assert.equal(refused.status, 403)
    assert.equal(((await refused.json()) as { error: { code: string } }).error.code, 'prompt_outside_trust')
    assert.equal((await ask('bob', ada.process.key)).status, 200)

    // A machine that is lost: the account ends it, and nobody serves or asks it any more.
    const { id } = (await laptop.status()).node
    await heddle(ada, 'identity', 'devices', 'revoke', id, '--reason', 'stolen')
    await untilModels(ada, ['ada', 'bob'])
    await untilModels(bob, ['ada', 'bob'])
    await bob.restart()
    await untilModels(bob, ['ada', 'bob'])
    assert.deepEqual(await nodesOf(bob), ['ada', 'bob'])
    const late = await laptop.process.post('/v1/chat/completions', chat('bob'))
    assert.notEqual(late.status, 200)
  })
})
