/** Keys and what people say: guessing is slowed down, and nothing secret is left in logs, metrics, answers or files. */
import assert from 'node:assert/strict'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { Agent, request as httpRequest } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { limit } from '../../src/core/limits.ts'
import { answerWell, beginStream, chunkEvent, startFakeUpstream, wholeAnswer } from '../support/fake-upstream.ts'
import { startNodeProcess } from '../support/node-process.ts'
import { errorIn, exchangeRaw } from '../support/raw-socket.ts'
import { sendJson } from '../support/runtime-server.ts'
import { chat, startTestNode, type TestNode } from '../support/test-node.ts'
import { waitUntil } from '../support/wait-until.ts'

const CHAT = '/v1/chat/completions'

describe('guessing keys', () => {
  const GUESSES = 10_000
  let node: TestNode
  const agent = new Agent({ keepAlive: true, maxSockets: 32 })
  before(async () => {
    node = await startTestNode()
  })
  after(async () => {
    agent.destroy()
    await node[Symbol.asyncDispose]()
  })

  const guess = (key: string): Promise<{ status: number; retryAfter: string | undefined }> =>
    new Promise((resolve, reject) => {
      const headers = { authorization: `Bearer ${key}` }
      httpRequest(`${node.url}/v1/models`, { agent, headers }, (response) => {
        response.resume().on('end', () => {
          resolve({ status: response.statusCode ?? 0, retryAfter: response.headers['retry-after'] })
        })
      })
        .on('error', reject)
        .end()
    })

  it('is refused after 20 in a minute, 10,000 times over, while a good key on the same address works', async () => {
    assert.equal((await node.get('/v1/models')).status, 200)
    const statuses = new Map<number, number>()
    const good: number[] = []
    let next = 0
    const guessOn = async (): Promise<void> => {
      while (next < GUESSES) {
        const number = next
        next += 1
        const { status, retryAfter } = await guess(`sk-heddle-${String(number).padStart(43, 'g')}`)
        statuses.set(status, (statuses.get(status) ?? 0) + 1)
        if (status === 429) assert.ok(Number(retryAfter) >= 1)
        if (number % 500 === 0) good.push((await node.post(CHAT, chat('demo'))).status)
      }
    }
    await Promise.all(Array.from({ length: 32 }, guessOn))
    const allowed = statuses.get(401) ?? 0
    // Requests that were on their way while the limit was reached were looked up already.
    assert.ok(
      allowed >= limit('wrongKeysPerMinute') && allowed < limit('wrongKeysPerMinute') + 64,
      `${allowed} were looked up`,
    )
    assert.equal((statuses.get(429) ?? 0) + allowed, GUESSES)
    assert.equal(good.length, GUESSES / 500)
    assert.ok(
      good.every((status) => status === 200),
      good.join(),
    )
    assert.equal((await node.get('/api/v1/status')).status, 200)
  })

  it('tells nobody which part of a key was right', async () => {
    const bodies = new Set<string>()
    for (const key of [`${node.key.slice(0, -1)}!`, `${node.key}x`, node.key.slice(0, 20), 'sk-heddle-']) {
      const response = await fetch(`${node.url}/v1/models`, { headers: { authorization: `Bearer ${key}` } })
      const text = await response.text()
      assert.ok([401, 429].includes(response.status))
      assert.doesNotMatch(text, /sk-heddle-[\w-]{8,}/)
      bodies.add(errorIn(text).code)
    }
    assert.ok(bodies.size <= 2, [...bodies].join())
  })
})

describe('secrets and what people say', () => {
  /** Each stands for one thing that must not be kept anywhere. */
  const CANARY = {
    prompt: 'canary-prompt-a81c',
    completion: 'canary-completion-b92d',
    system: 'canary-system-c03e',
    tool: 'canary-tool-d14f',
    wrongKey: 'sk-heddle-canaryWrongKeyE25xxxxxxxxxxxxxxxxxxxxxxxxxxxx',
    foreignKey: 'sk-proj-canaryForeignKeyF36xxxxxxxx',
    cookie: 'canary-cookie-a47b',
    header: 'canary-header-b58c',
    query: 'canary-query-c69d',
    field: 'canary-field-d70e',
    upstream: 'canary-upstream-e81f',
    malformed: 'canary-malformed-f92a',
    raw: 'canary-raw-a03b',
  } as const

  it('are in no log, metric, request record or file', async (t) => {
    await using upstream = await startFakeUpstream({
      kept: (response, { stream }) => {
        if (stream !== true) return sendJson(response, 200, wholeAnswer(CANARY.completion))
        beginStream(response)
        response.end(`${chunkEvent(CANARY.completion)}${chunkEvent('', 'stop')}data: [DONE]\n\n`)
      },
      breaks: (response) => {
        beginStream(response)
        response.write(chunkEvent(CANARY.completion))
        setTimeout(() => response.end(`data: {"error":{"message":"${CANARY.upstream}"}}\n\n`), 30)
      },
      refuses: (response) =>
        sendJson(response, 400, { error: { message: `bad prompt: ${CANARY.upstream}`, param: null } }),
      fails: (response) => sendJson(response, 500, { error: { message: CANARY.upstream, key: CANARY.foreignKey } }),
      garbles: (response) => response.end(CANARY.upstream),
      works: answerWell,
    })
    const home = await mkdtemp(join(tmpdir(), 'heddle-secrets-'))
    t.after(() => rm(home, { recursive: true, force: true }))
    await using node = await startNodeProcess(home, {
      HEDDLE_RUNTIMES: `llama,script:tools?tokens=5,script:cut?fail=cut&fail_at=2&rate=100,${upstream.spec}`,
      HEDDLE_LOG_LEVEL: 'debug',
    })
    await waitUntil(
      async () => (await (await node.get('/v1/models')).text()).includes('tinychat'),
      'the engine',
      20_000,
    )

    const messages = [
      { role: 'system', content: CANARY.system },
      { role: 'user', content: [{ type: 'text', text: CANARY.prompt }] },
    ]
    const headers = {
      cookie: `session=${CANARY.cookie}`,
      'x-custom': CANARY.header,
      'x-stainless-helper': CANARY.header,
      'user-agent': CANARY.header,
      referer: `http://localhost/${CANARY.header}`,
    }
    const post = async (body: unknown, path = CHAT, more: Record<string, string> = {}): Promise<string> => {
      const response = await node.post(path, body, { headers: { ...headers, ...more } })
      return await response.text()
    }
    const tool = { type: 'function', function: { name: 'f', description: CANARY.tool, parameters: { type: 'object' } } }
    for (const model of [
      'kept',
      'breaks',
      'refuses',
      'fails',
      'garbles',
      'tools',
      'cut',
      'tinychat-1.2m-q8_0',
      'nobody',
    ]) {
      for (const stream of [false, true]) {
        await post({ model, messages, stream, user: CANARY.field, metadata: { note: CANARY.field } })
      }
    }
    assert.match(await post({ model: 'kept', messages }), new RegExp(CANARY.completion))
    await post({ model: 'tools', messages, tools: [tool] })
    await post({
      model: 'kept',
      messages,
      stop: [CANARY.field],
      response_format: { type: 'json_schema', json_schema: { name: 'n', schema: { description: CANARY.field } } },
    })
    await post({
      model: 'tinychat-1.2m-q8_0',
      messages,
      response_format: { type: 'json_schema', json_schema: { name: 'n', schema: { type: CANARY.field } } },
    })
    await post({ model: 'tinychat-1.2m-q8_0', prompt: `${CANARY.prompt} `.repeat(2_000) }, '/v1/completions')
    await post({ model: 'tinychat-1.2m-q8_0', input: [CANARY.prompt] }, '/v1/embeddings')
    await post({ model: 'kept', messages: [{ role: CANARY.field, content: CANARY.prompt }] })
    await post({ model: 'kept', messages, temperature: CANARY.field })
    await post(`{"model":"kept","messages":[{"content":"${CANARY.malformed}`)
    await post({ model: 'kept', messages }, `${CHAT}?api_key=${CANARY.query}`)
    await post({ model: 'kept', messages }, `/v1/${CANARY.query}`)
    for (const authorization of [
      `Bearer ${CANARY.wrongKey}`,
      `Bearer ${CANARY.foreignKey}`,
      `Basic ${CANARY.foreignKey}`,
    ]) {
      assert.doesNotMatch(await post({ model: 'kept', messages }, CHAT, { authorization }), /canary/i)
    }
    await post({ model: 'kept', messages }, CHAT, { 'x-api-key': CANARY.wrongKey })
    await post({ name: 'x', scopes: [CANARY.field] }, '/api/v1/keys', { authorization: `Bearer ${node.adminKey}` })
    await post({ spec: `openai:http://user:${CANARY.foreignKey}@127.0.0.1:1/` }, '/api/v1/runtimes', {
      authorization: `Bearer ${node.adminKey}`,
    })
    for (const raw of [
      `${CANARY.raw}\r\n\r\n`,
      `GET /${CANARY.raw} HTTP/1.1\r\n${CANARY.raw} : x\r\n\r\n`,
      `POST ${CHAT} HTTP/1.1\r\nhost: ${CANARY.raw}\r\nconnection: close\r\n\r\n`,
    ]) {
      await exchangeRaw(node.url, raw)
    }
    const made = (await (
      await node.post('/api/v1/keys', { name: 'shown once' }, { headers: { authorization: `Bearer ${node.adminKey}` } })
    ).json()) as { secret: string }
    assert.match(made.secret, /^sk-heddle-/)

    const admin = async (path: string): Promise<string> => await (await node.get(path, node.adminKey)).text()
    await admin('/api/v1/requests?limit=500')
    const shown = {
      metrics: await admin('/metrics'),
      logs: await admin('/api/v1/logs?limit=2000'),
      requests: await admin('/api/v1/requests?limit=500'),
      keys: await admin('/api/v1/keys'),
      status: await admin('/api/v1/status'),
      runtimes: await admin('/api/v1/runtimes'),
      config: await admin('/api/v1/config'),
      models: await admin('/v1/models'),
    }
    // Read while the node runs, so that what is only in the write-ahead log is seen too.
    const files = await filesOf(home)
    assert.equal(await node.stop(), 0)
    const all = new Map<string, string>([
      ...Object.entries(shown),
      ...files,
      ...(await filesOf(home)),
      ['output', node.output()],
    ])
    // What is searched is there at all.
    assert.match(shown.logs, /upstream_interrupted|request settled/)
    assert.match(shown.metrics, /heddle_|gen_ai_/)
    assert.match(shown.requests, /"outcome":"upstream_interrupted"/)
    assert.match(node.output(), /"level":"debug"/)
    assert.ok(
      [...files.keys()].some((name) => name.endsWith('state.db-wal')),
      [...files.keys()].join(),
    )
    const secrets = { ...CANARY, key: node.key, adminKey: node.adminKey, made: made.secret }
    for (const [place, text] of all) {
      for (const [name, secret] of Object.entries(secrets)) {
        // The two files that are there to hold them.
        if ((name === 'key' && place.endsWith('default.key')) || (name === 'adminKey' && place.endsWith('admin.key')))
          continue
        assert.equal(text.includes(secret), false, `${name} is in ${place}`)
        assert.equal(
          text.includes(Buffer.from(secret).toString('base64').slice(0, -4)),
          false,
          `${name} is in ${place}, in base64`,
        )
      }
      assert.doesNotMatch(text, /canary/i, place)
    }
  })
})

/** Every file below a folder as latin1, by path. */
async function filesOf(folder: string): Promise<Map<string, string>> {
  const files = new Map<string, string>()
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue
    const path = join(entry.parentPath, entry.name)
    // A journal may go while the folder is read.
    const text = await readFile(path, 'latin1').catch(() => undefined)
    if (text !== undefined) files.set(path, text)
  }
  return files
}
