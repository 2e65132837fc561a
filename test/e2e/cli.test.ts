/** The command line against a real node of its own, with a scripted model: every command, its documents and its exit codes. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import type { z } from 'zod'
import { LogLine, type NodeView, Ps, Status, VersionView } from '../../src/core/wire/admin.ts'
import { CreatedKey, KeyList, RequestView } from '../../src/core/wire/admin-accounts.ts'
import { Explanation } from '../../src/core/wire/admin-explain.ts'
import { NodeDetail, NodeList } from '../../src/core/wire/admin-mesh.ts'
import { ModelList, ModelView, RuntimeList, RuntimeTest } from '../../src/core/wire/admin-models.ts'
import { cliIn, finished } from '../support/cli-process.ts'

const home = mkdtempSync(join(tmpdir(), 'heddle-cli-'))
const cli = cliIn(home)
const heddle = cli.call

/** What a little OpenAI-compatible server says. */
const UPSTREAM: Readonly<Record<string, string>> = {
  'GET /health': '{}',
  'GET /v1/models': '{"object":"list","data":[{"id":"far","object":"model","created":1,"owned_by":"x"}]}',
  'POST /v1/chat/completions': JSON.stringify({
    id: 'x',
    object: 'chat.completion',
    created: 1,
    model: 'far',
    choices: [{ index: 0, message: { role: 'assistant', content: 'yes' }, finish_reason: 'stop' }],
    usage: { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 },
  }),
}

/** The document that `args --json` print, checked against its schema; fields of the schema only. */
async function document<T extends z.ZodType>(schema: T, ...args: string[]): Promise<z.infer<T>> {
  const { code, out, err } = await heddle([...args, '--json'])
  assert.equal(code, 0, err)
  return schema.parse(JSON.parse(out))
}

const nodePid = (): number => (JSON.parse(readFileSync(join(home, 'state/node.json'), 'utf8')) as { pid: number }).pid

describe('the command line with a running node', () => {
  before(async () => {
    const { code, out, err } = await heddle(['up'])
    assert.equal(code, 0, err)
    assert.match(out, /^ {2}running · /)
  })
  after(async () => {
    await heddle(['down', '--now'])
    rmSync(home, { recursive: true, force: true })
  })

  it('starts no second one, and says so of other settings', async () => {
    const pid = nodePid()
    const again = await heddle(['up', '--name', 'other'])
    assert.equal(again.code, 0)
    assert.match(again.err, /started without --name/)
    assert.equal(nodePid(), pid)
    const serve = await heddle(['serve'])
    assert.equal(serve.code, 1)
    assert.match(
      serve.err,
      new RegExp(
        `^error: a node runs already with these folders \\(pid ${pid}, http://127\\.0\\.0\\.1:\\d+\\) {2}\\[conflict\\]\n {2}try: heddle down`,
      ),
    )
  })

  it('prints documents of the promised schemas', async () => {
    const status = await document(Status, 'status')
    assert.equal(status.state, 'running')
    assert.match(status.http.url, /^http:\/\/127\.0\.0\.1:\d+$/)
    assert.deepEqual(
      (await document(Ps, 'ps')).models.map(({ model }) => model),
      ['demo'],
    )
    assert.deepEqual(
      (await document(ModelList, 'models')).models.map(({ id }) => id),
      ['demo'],
    )
    assert.equal((await document(ModelView, 'models', 'show', 'demo')).state, 'ready')
    assert.equal((await document(RuntimeList, 'runtimes')).runtimes[0]?.state, 'ready')
    assert.equal((await document(RuntimeTest, 'runtimes', 'test', 'script:demo?tokens=8')).ok, true)
    assert.ok((await document(KeyList, 'keys')).keys.length >= 2)
    const { out } = await heddle(['version', '--all', '--json'])
    VersionView.parse((JSON.parse(out) as { daemon: unknown }).daemon)
  })

  it('prints tables and sentences for people', async () => {
    assert.match((await heddle(['status'])).out, /RUNTIME +STATE +MODELS +LOAD\n {2}script:demo/)
    assert.match((await heddle(['ps'])).out, /^MODEL +NODE +RUNTIME +PROCESSOR/)
    assert.match((await heddle(['models', 'ls'])).out, /^MODEL +STATE.*\ndemo +ready/)
    assert.match((await heddle(['models', 'show', 'demo'])).out, /model +demo\n +state +ready/)
    assert.match((await heddle(['doctor'])).out, /✓ node +runs at http:/)
  })

  it('knows itself as a node, and explains a route that it does not take', async () => {
    const { nodes } = await document(NodeList, 'nodes')
    const self = nodes[0] as NodeView
    assert.deepEqual([nodes.length, self.connector, self.account, self.models], [1, 'local', 'self', ['demo']])
    for (const which of [self.name, self.id, self.id.slice(0, 20)])
      assert.equal((await document(NodeDetail, 'nodes', 'show', which)).id, self.id)
    assert.match((await heddle(['nodes'])).out, /^ {2}NODE +ID +OWNER +REGION +STATE +MODELS +LOAD +HEARD\n\* /)
    const route = await document(Explanation, 'explain', '--model', 'demo', '--prompt-trust', 'self')
    assert.deepEqual([route.reason, route.candidates.length, route.excluded, route.refusal], ['only', 1, [], null])
    assert.match((await heddle(['explain', '--model', 'demo'])).out, /^would be asked in this order:\nNODE +RUNTIME/)
    const embeddings = await heddle(['explain', '--model', 'demo', '--endpoint', 'embeddings'])
    assert.equal(embeddings.code, 0)
  })

  it('asks a model with a prompt, a pipe, and for a document; then tells the story of it', async () => {
    const { code, out, err } = await heddle(['run', 'demo', 'What', 'now?', '--stats'])
    assert.equal(code, 0, err)
    assert.ok(out.length > 1 && out.endsWith('\n'))
    assert.match(err, /^demo · script:demo\S* · TTFT .* · 8 tokens out · /)
    assert.equal((await heddle(['run', 'demo', 'What', 'now?'])).out, out)
    assert.equal((await heddle(['run', 'demo'], { input: 'What now?' })).out, out)
    const { out: json } = await heddle(['run', 'demo', 'What now?', '--json', '--max-tokens', '3'])
    const answer = JSON.parse(json) as {
      schema: string
      usage: { output_tokens: number }
      finish_reason: string
      request_id: string
    }
    assert.deepEqual([answer.schema, answer.usage.output_tokens, answer.finish_reason], ['heddle.run/v1', 3, 'length'])
    const last = await document(RequestView, 'trace', 'last')
    assert.deepEqual([last.id, last.outcome, last.outputTokens], [answer.request_id, 'ok', 3])
    assert.match(
      (await heddle(['trace', answer.request_id])).out,
      /routed: 1 candidate, 0 left out\n.*attempt 1: sent to script:demo/,
    )
  })

  it('ends with the code of what went wrong, on stderr', async () => {
    const cases: readonly (readonly [readonly string[], number, RegExp])[] = [
      [['run', 'dema', 'hi'], 5, /did you mean "demo"\? {2}\[model_not_found\]\n {2}try: /],
      [['models', 'show', 'nothing'], 5, /\[model_not_found\]/],
      [['nodes', 'show', 'nobody'], 5, /there is no node "nobody" {2}\[not_found\]\n {2}try: heddle nodes ls/],
      [['explain', '--model', 'dema'], 5, /did you mean "demo"\? {2}\[model_not_found\]/],
      [['trace', 'req_nothing'], 5, /\[not_found\]/],
      [['keys', 'revoke', 'key_nothing'], 5, /\[not_found\]\n {2}try: heddle keys ls/],
      [['keys', 'create', 'x', '--expires', 'tomorrow'], 2, /\[invalid_request\]/],
      [['ps', '--host', 'http://127.0.0.1:1'], 3, /no node answers at http:\/\/127\.0\.0\.1:1 {2}\[daemon_down\]/],
    ]
    for (const [args, code, message] of cases) {
      const called = await heddle(args)
      assert.match(called.err, message, args.join(' '))
      assert.equal(called.code, code, args.join(' '))
      assert.equal(called.out, '')
    }
    const wrongKey = await heddle(['ps'], { env: { HEDDLE_API_KEY: 'sk-heddle-wrong' } })
    assert.equal(wrongKey.code, 4)
    assert.doesNotMatch(wrongKey.err, /sk-heddle-wrong/)
  })

  it('makes a key whose secret is printed once, works, and stops working when revoked', async () => {
    const made = await heddle(['keys', 'create', 'laptop', '--rpm', '60', '--expires', '7d'])
    const secret = made.out.trim()
    assert.match(secret, /^sk-heddle-\S+$/)
    const id = /key_\w+/.exec(made.err)?.[0] ?? ''
    assert.equal((await heddle(['run', 'demo', 'hi'], { env: { HEDDLE_API_KEY: secret } })).code, 0)
    assert.doesNotMatch((await heddle(['keys', 'ls', '--json'])).out, new RegExp(secret))
    assert.equal((await heddle(['keys', 'revoke', id])).out, `revoked ${id}\n`)
    assert.equal((await heddle(['run', 'demo', 'hi'], { env: { HEDDLE_API_KEY: secret } })).code, 4)
    const { out } = await heddle(['keys', 'create', 'x', '--json'])
    assert.equal(CreatedKey.parse(JSON.parse(out)).name, 'x')
  })

  it('prints variables that a shell takes over', async () => {
    const { out } = await heddle(['env'])
    assert.match(out, /^export OPENAI_BASE_URL=http:\/\/127\.0\.0\.1:\d+\/v1\nexport OPENAI_API_KEY=sk-heddle-\S+\n$/)
    assert.match((await heddle(['env', '--shell', 'fish'])).out, /^set -gx OPENAI_BASE_URL 'http/)
  })

  it('adds, tests and removes a runtime', async () => {
    let broken = true
    const upstream = createServer((request, answer) => {
      const body = UPSTREAM[`${request.method} ${request.url}`]
      request.resume()
      answer.setHeader('content-type', 'application/json')
      if (body === undefined || (broken && request.method === 'POST')) answer.writeHead(404).end('{}')
      else answer.end(body)
    })
    upstream.listen(0, '127.0.0.1')
    await once(upstream, 'listening')
    const url = `http://127.0.0.1:${(upstream.address() as AddressInfo).port}`
    try {
      const added = await heddle(['runtimes', 'add', url])
      assert.equal(added.code, 0, added.err)
      assert.equal((await heddle(['wait', '--for', 'model=far', '--timeout', '20s'])).code, 0)
      assert.match((await heddle(['models'])).out, /^far +ready +openai:http/m)
      const failing = await heddle(['runtimes', 'test', `openai:${url}`])
      assert.equal(failing.code, 1, failing.err)
      assert.match(failing.out, /✗ answer +far answered with HTTP 404/)
      broken = false
      const tested = await heddle(['runtimes', 'test', `openai:${url}`])
      assert.equal(tested.code, 0, tested.out + tested.err)
      assert.equal((await heddle(['runtimes', 'remove', `openai:${url}`])).out, `removed openai:${url}\n`)
      assert.doesNotMatch((await heddle(['runtimes'])).out, /openai:/)
    } finally {
      upstream.close()
      upstream.closeAllConnections()
    }
  })

  it('prints the log, and follows it until interrupted', async () => {
    const { out } = await heddle(['logs', '--json'])
    const lines = out
      .trim()
      .split('\n')
      .map((line) => LogLine.parse(JSON.parse(line)))
    assert.ok(lines.some(({ msg }) => msg === 'node started'))
    const following = cli.start(['logs', '-f'])
    const done = finished(following)
    await once(following.stdout as NodeJS.ReadableStream, 'data')
    following.kill('SIGINT')
    const { code, err } = await done
    assert.deepEqual({ code, err }, { code: 130, err: '' })
  })

  it('completes commands and models', async () => {
    assert.match((await heddle(['complete', '--', 'mod'])).out, /^models\t/m)
    assert.match((await heddle(['complete', '--', 'run', ''])).out, /^demo\t/m)
    assert.match((await heddle(['completion', 'bash'])).out, /complete/)
  })

  it('lets no other user read what it wrote', () => {
    for (const file of ['state/admin.key', 'data/keys/default.key', 'state/heddle.log']) {
      assert.equal(statSync(join(home, file)).mode & 0o077, 0, file)
    }
  })

  it('names the program that holds the port', async () => {
    const port = new URL((JSON.parse(readFileSync(join(home, 'state/node.json'), 'utf8')) as { url: string }).url).port
    const other = mkdtempSync(join(tmpdir(), 'heddle-cli-'))
    try {
      for (const command of ['serve', 'up']) {
        const { code, err } = await heddle([command, '--listen', `127.0.0.1:${port}`], { env: { HEDDLE_HOME: other } })
        assert.equal(code, 1)
        assert.match(
          err,
          new RegExp(
            `error: port ${port} is in use by "[^"]+" \\(pid ${nodePid()}\\) {2}\\[port_in_use\\]\n(.*\n)?  try: heddle serve --listen`,
          ),
          command,
        )
      }
    } finally {
      rmSync(other, { recursive: true, force: true })
    }
  })

  it('stops it, twice without complaint', async () => {
    const pid = nodePid()
    const { code, out } = await heddle(['down'])
    assert.equal(code, 0)
    assert.equal(out, `stopped the node (pid ${pid})\n`)
    const again = await heddle(['down'])
    assert.deepEqual([again.code, again.err], [0, 'no node is running\n'])
    assert.equal((await heddle(['status'])).code, 3)
  })
})
