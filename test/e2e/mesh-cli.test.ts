/** Two nodes of two people on one machine: what each tells of the other, and what remains when one is killed. */
import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import type { z } from 'zod'
import { Status } from '../../src/core/wire/admin.ts'
import { RequestView } from '../../src/core/wire/admin-accounts.ts'
import { Explanation } from '../../src/core/wire/admin-explain.ts'
import { ConnectedPeer, Netcheck, NodeDetail, NodeList, PeerList, PingReply } from '../../src/core/wire/admin-mesh.ts'
import { OpenAiModel, OpenAiModelList } from '../../src/core/wire/openai-models.ts'
import { type Called, cliIn } from '../support/cli-process.ts'

/** A node of its own account, with one scripted model. */
class Person {
  readonly home = mkdtempSync(join(tmpdir(), 'heddle-mesh-'))
  readonly #cli = cliIn(this.home)
  readonly #env: NodeJS.ProcessEnv
  readonly name: string

  constructor(name: string, model: string) {
    this.name = name
    this.#env = {
      HEDDLE_NAME: name,
      HEDDLE_RUNTIMES: `script:${model}?tokens=8`,
      HEDDLE_MODE: 'local',
      HEDDLE_MESH_LISTEN: '127.0.0.1:0',
    }
  }

  call(...args: string[]): Promise<Called> {
    return this.#cli.call(args, { env: this.#env })
  }

  async up(bootstrap: readonly string[] = []): Promise<void> {
    const { code, err } = await this.call('up', ...(bootstrap.length === 0 ? [] : ['--bootstrap', bootstrap.join(',')]))
    assert.equal(code, 0, err)
  }

  /** The document of a command, checked against its schema. */
  async document<T extends z.ZodType>(schema: T, ...args: string[]): Promise<z.infer<T>> {
    const { code, out, err } = await this.call(...args, '--json')
    assert.equal(code, 0, err)
    return schema.parse(JSON.parse(out))
  }

  /** `GET` of the inference API. */
  async get<T extends z.ZodType>(schema: T, path: string): Promise<z.infer<T>> {
    const key = readFileSync(join(this.home, 'data/keys/default.key'), 'utf8').trim()
    const { url } = this.#nodeFile()
    const answer = await fetch(url + path, { headers: { authorization: `Bearer ${key}` } })
    assert.equal(answer.status, 200)
    return schema.parse(await answer.json())
  }

  kill(): void {
    process.kill(this.#nodeFile().pid, 'SIGKILL')
  }

  async remove(): Promise<void> {
    await this.call('down', '--now')
    rmSync(this.home, { recursive: true, force: true })
  }

  #nodeFile(): { readonly pid: number; readonly url: string } {
    return JSON.parse(readFileSync(join(this.home, 'state/node.json'), 'utf8')) as { pid: number; url: string }
  }
}

describe('two nodes of one network', () => {
  const ada = new Person('ada', 'one')
  const bob = new Person('bob', 'two')
  let adaId = ''

  before(async () => {
    await ada.up()
    const { mesh, node } = await ada.document(Status, 'status')
    adaId = node.id
    assert.ok(mesh.addresses.length > 0)
    await bob.up(mesh.addresses.slice(0, 1))
    const waited = await bob.call('wait', '--for', 'nodes=2', '--timeout', '20s')
    assert.equal(waited.code, 0, waited.err)
  })
  after(async () => {
    await bob.remove()
    await ada.remove()
  })

  it('tell of each other in their status', async () => {
    const { mesh, network, nodes, models, health } = await bob.document(Status, 'status')
    assert.deepEqual([mesh.mode, mesh.state, mesh.peers, models], ['local', 'joined', { direct: 1, circuit: 0 }, 2])
    assert.deepEqual(network, (await ada.document(Status, 'status')).network)
    assert.deepEqual(
      nodes.map(({ name, connector, state, account, path, models }) => [name, connector, state, account, path, models]),
      [
        ['bob', 'local', 'online', 'self', null, ['two']],
        ['ada', 'mesh', 'online', 'other', 'direct', ['one']],
      ],
    )
    assert.deepEqual(health, [])
    const { out } = await bob.call('status')
    assert.match(out, /^ {2}network {2}\S+ · joined · 2 nodes$/m)
    assert.match(out, /^ {2}mesh {5}\/ip4\/127\.0\.0\.1\/tcp\/\d+\S* .*· 1 peer$/m)
    assert.match(out, /^ {2}- ada +12D3KooW\w+ +other +- +online · direct/m)
  })

  it('serve each other’s models under one list', async () => {
    const { data } = await bob.get(OpenAiModelList, '/v1/models')
    assert.deepEqual(
      data.map(({ id, heddle }) => [
        id,
        heddle.providers.map((each) => [each.node_name, each.connector, each.account]),
      ]),
      [
        ['one', [['ada', 'mesh', 'other']]],
        ['two', [['bob', 'local', 'self']]],
      ],
    )
    const one = await bob.get(OpenAiModel, '/v1/models/one')
    assert.deepEqual([one.object, one.owned_by, one.heddle.providers[0]?.node], ['model', 'script', adaId])
    const { code, err } = await bob.call('run', 'one', 'hello', '--max-tokens', '3')
    assert.equal(code, 0, err)
    const { outcome, attempts, node } = await bob.document(RequestView, 'trace', 'last')
    assert.deepEqual([outcome, node, attempts.map(({ connector }) => connector)], ['ok', 'ada', ['mesh']])
  })

  it('show and ping each other by any name', async () => {
    const detail = await bob.document(NodeDetail, 'nodes', 'show', 'ada')
    for (const which of [detail.id, detail.fingerprint.slice(0, 12), 'AD'])
      assert.equal((await bob.document(NodeDetail, 'nodes', 'show', which)).id, adaId)
    assert.equal((await bob.call('nodes', 'show', '12D3KooW')).code, 2)
    assert.equal((await bob.call('nodes', 'show', 'eve')).code, 5)
    for (const [layer, field] of [
      ['path', 'rttMs'],
      ['http', 'http'],
      ['inference', 'inference'],
    ] as const) {
      const { code, out, err } = await bob.call(
        'ping',
        'ada',
        '--layer',
        layer,
        '--count',
        '2',
        '--interval',
        '1ms',
        '--json',
      )
      assert.equal(code, 0, err)
      const { pings, summary } = JSON.parse(out) as { pings: unknown[]; summary: { sent: number; answered: number } }
      assert.deepEqual([summary.sent, summary.answered], [2, 2])
      for (const each of pings) {
        const ping = PingReply.parse(each)
        assert.deepEqual([ping.node.id, ping.path?.kind], [adaId, 'direct'])
        assert.notEqual(ping[field], null)
      }
    }
    assert.match((await bob.call('ping', 'ada', '--count', '1')).out, /^pong ada {2}direct, \w+ \/ip4\/127\.0\.0\.1\//)
    assert.equal((await bob.call('ping', 'bob')).code, 2)
  })

  it('list their peers, and connect to addresses', async () => {
    const { peers } = await bob.document(PeerList, 'peers')
    assert.deepEqual(
      peers.map(({ id, name, paths, objection }) => [id, name, paths[0]?.kind, objection]),
      [[adaId, 'ada', 'direct', null]],
    )
    const { mesh } = await ada.document(Status, 'status')
    const peer = await bob.document(ConnectedPeer, 'peers', 'connect', mesh.addresses[0] ?? '')
    assert.equal(peer.id, adaId)
    assert.equal((await bob.call('peers', 'connect', 'not-an-address')).code, 2)
    const { code, err } = await bob.call('peers', 'connect', '/ip4/127.0.0.1/tcp/1')
    assert.equal(code, 8, err)
    assert.match(err, /\[peer_unreachable\]/)
  })

  it('explain routes, within the trust of the prompt', async () => {
    const route = await bob.document(Explanation, 'explain', '--model', 'one')
    assert.deepEqual(
      route.candidates.map(({ nodeName, connector }) => [nodeName, connector]),
      [['ada', 'mesh']],
    )
    const narrow = await bob.call('explain', '--model', 'one', '--prompt-trust', 'self', '--json')
    const { candidates, excluded, refusal } = Explanation.parse(JSON.parse(narrow.out))
    assert.deepEqual(
      [narrow.code, candidates, excluded[0]?.why, refusal?.code],
      [6, [], 'outside the prompt trust "self"', 'prompt_outside_trust'],
    )
    const { out: key } = await bob.call('keys', 'create', 'careful', '--prompt-trust', 'self')
    const { url } = (await bob.document(Status, 'status')).http
    const answer = await fetch(`${url}/v1/chat/completions`, {
      method: 'POST',
      headers: { authorization: `Bearer ${key.trim()}`, 'content-type': 'application/json' },
      body: JSON.stringify({ model: 'one', messages: [{ role: 'user', content: 'secret' }] }),
    })
    const { error } = (await answer.json()) as { error: { code: string; message: string } }
    assert.deepEqual([answer.status, error.code], [403, 'prompt_outside_trust'])
    assert.match(error.message, /"self"/)
  })

  it('check their own network', async () => {
    const net = await bob.document(Netcheck, 'netcheck')
    assert.deepEqual([net.mode, net.peers, net.findings], ['local', { direct: 1, circuit: 0 }, []])
    assert.ok(net.listen.length > 0 && net.clockSkewMs !== null)
    assert.match((await bob.call('netcheck')).out, /^ {2}peers +1 direct, 0 through a relay$/m)
  })

  it('count what goes between them', async () => {
    const { url } = (await bob.document(Status, 'status')).http
    const text = await (await fetch(`${url}/metrics`)).text()
    assert.match(text, /^heddle_mesh_peers\{path="direct"\} 1$/m)
    assert.match(text, /^heddle_mesh_nodes\{state="live"\} 2$/m)
    assert.match(text, /^heddle_connector_requests_total\{connector="mesh",outcome="ok"\} [1-9]/m)
  })

  it('are waited for in vain where they are too few', async () => {
    const { code, err } = await bob.call('wait', '--for', 'nodes=3', '--timeout', '300ms')
    assert.deepEqual([code, /not ready after 300 ms: 2 nodes are online/.test(err)], [12, true])
  })

  it('leave one out that was killed from the first request that fails', async () => {
    ada.kill()
    const { code, err } = await bob.call('run', 'one', 'hello')
    assert.notEqual(code, 0)
    assert.match(err, /^error: /)
    const [, lost] = (await bob.document(NodeList, 'nodes')).nodes
    assert.ok(lost?.state === 'degraded' || lost?.state === 'offline', lost?.state)
    assert.notEqual(lost.reason, '')
    assert.deepEqual(
      (await bob.get(OpenAiModelList, '/v1/models')).data.map(({ id }) => id),
      ['two'],
    )
    const { data } = await bob.get(OpenAiModelList, '/v1/models?all=true')
    assert.deepEqual(
      data.map(({ id, heddle }) => [id, heddle.providers[0]?.state]),
      [
        ['one', 'unhealthy'],
        ['two', 'ready'],
      ],
    )
    const explained = await bob.call('explain', '--model', 'one', '--json')
    assert.equal(Explanation.parse(JSON.parse(explained.out)).refusal?.code, 'no_capacity')
    const ping = await bob.call('ping', 'ada', '--count', '1')
    assert.equal(ping.code, 8, ping.out + ping.err)
    assert.match(ping.out, /^no answer from ada: /)
    assert.equal((await bob.call('run', 'two', 'hello')).code, 0)
  })
})

describe('a node without a mesh', () => {
  const eve = new Person('eve', 'three')
  before(() => eve.call('config', 'set', 'mode', 'standalone'))
  after(() => eve.remove())

  it('says so, and how to change that', async () => {
    const up = await eve.call('up', '--mode', 'standalone')
    assert.equal(up.code, 0, up.err)
    const { mesh, nodes } = await eve.document(Status, 'status')
    assert.deepEqual(
      [mesh, nodes.length],
      [{ addresses: [], mode: 'standalone', state: 'off', peers: { direct: 0, circuit: 0 } }, 1],
    )
    for (const args of [['peers'], ['peers', 'connect', '/ip4/127.0.0.1/tcp/1'], ['ping', 'ada']]) {
      const { code, err } = await eve.call(...args)
      assert.equal(code, 1, args.join(' '))
      assert.match(
        err,
        /^error: this node runs by itself \(mode standalone\).*\[conflict\]\n {2}try: heddle config set mode local\n/,
      )
    }
    const nodesCall = await eve.call('nodes')
    assert.deepEqual([nodesCall.code, /mode standalone/.test(nodesCall.err)], [0, true])
    const net = await eve.call('netcheck')
    assert.deepEqual([net.code, /the mesh is off/.test(net.out)], [0, true])
  })
})
