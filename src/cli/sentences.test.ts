/** Tests of what commands say: the first words of a node, the story of a request, statistics, log lines, addresses. */
import assert from 'node:assert/strict'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { temporaryFolder } from '../../test/support/tmp.ts'
import type { RequestView } from '../core/wire/admin-accounts.ts'
import { logText } from './commands/logs.ts'
import { traceLines } from './commands/trace.ts'
import { findNode, parseHost } from './find-node.ts'
import { statsLine } from './stats-line.ts'
import { type Welcome, welcomeLines } from './welcome.ts'

const WELCOME: Welcome = {
  url: 'http://127.0.0.1:11440',
  keyFile: "/home/ada's/default.key",
  models: ['tinychat'],
  demoOnly: false,
  authRequired: true,
}

describe('the first words of a node', () => {
  it('say where it is, how to get in, and a line that works when pasted', () => {
    const text = welcomeLines(WELCOME).join('\n')
    assert.match(text, /API {6}http:\/\/127\.0\.0\.1:11440\/v1/)
    assert.match(text, /Key {6}in \/home\/ada's\/default\.key/)
    assert.match(text, /Model {4}tinychat$/m)
    assert.ok(text.includes(`-H "Authorization: Bearer $(cat '/home/ada'\\''s/default.key')"`), text)
    assert.doesNotMatch(text, /demo|sk-heddle/)
  })

  it('name the demo model as what it is, and the ways to a real one', () => {
    const text = welcomeLines({ ...WELCOME, demoOnly: true }).join('\n')
    assert.match(text, /tiny demo model/)
    for (const way of [/start Ollama/, /heddle runtimes add <url>/, /heddle models pull <url\|file>/])
      assert.match(text, way)
  })

  it('admit that no model is there, and that no key is needed', () => {
    const none = welcomeLines({ ...WELCOME, models: [] }).join('\n')
    assert.match(none, /none is ready yet/)
    assert.doesNotMatch(none, /curl/)
    assert.doesNotMatch(welcomeLines({ ...WELCOME, authRequired: false }).join('\n'), /Authorization/)
  })
})

const REQUEST: RequestView = {
  id: 'req_01',
  at: '2026-11-21T05:00:00.000Z',
  endpoint: 'chat',
  model: 'tiny',
  keyId: 'key_1',
  stream: true,
  status: 200,
  outcome: 'ok',
  node: 'vm',
  runtime: 'llama',
  candidates: 3,
  exclusions: [{ node: 'attic', runtime: 'ollama', reason: 'draining' }],
  attempts: [
    { node: 'vm', runtime: 'openai', connector: 'local', startedMs: 1.2, endedMs: 3, outcome: 'upstream_failed' },
    { node: 'vm', runtime: 'llama', connector: 'local', startedMs: 3.1, endedMs: 1_040, outcome: 'ok' },
  ],
  inputTokens: 12,
  outputTokens: 20,
  firstByteMs: 40,
  durationMs: 1_040,
  finishReason: 'stop',
}

describe('traceLines', () => {
  it('tell candidates, exclusions with their reasons, attempts and the end', () => {
    assert.deepEqual(traceLines(REQUEST), [
      'req_01  chat · tiny · stream · ok · HTTP 200 · 1.0 s',
      '  2026-11-21T05:00:00.000Z  key key_1',
      '     0 ms  routed: 3 candidates, 1 left out',
      '           ollama on attic: draining',
      '     1 ms  attempt 1: sent to openai on vm (local)',
      '     3 ms  attempt 1: upstream_failed',
      '     3 ms  attempt 2: sent to llama on vm (local)',
      '    40 ms  first byte to the client',
      '    1.0 s  finished "stop" · 12 tokens in · 20 tokens out · 20.0 tokens/s',
    ])
  })

  it('name the error of a request that failed', () => {
    const failed = {
      ...REQUEST,
      outcome: 'upstream_interrupted',
      finishReason: null,
      outputTokens: null,
      inputTokens: null,
    }
    assert.match(traceLines(failed).at(-1) ?? '', /ended: upstream_interrupted$/)
  })
})

describe('statsLine', () => {
  it('has speed, tokens and times, and leaves out what is unknown', () => {
    const result = {
      text: '',
      finishReason: 'stop',
      inputTokens: 12,
      outputTokens: 21,
      firstTokenMs: 500,
      totalMs: 1_500,
      node: 'vm',
      runtime: 'llama',
      requestId: null,
    }
    assert.equal(
      statsLine('tiny', result),
      'tiny · llama · TTFT 500 ms · 20.0 tok/s · 12 tokens in · 21 tokens out · 1.5 s',
    )
    const bare = { ...result, runtime: null, firstTokenMs: null, inputTokens: null, outputTokens: null }
    assert.equal(statsLine('tiny', bare), 'tiny · 1.5 s')
  })
})

describe('logText', () => {
  it('has time, level, message and the other fields', () => {
    const line = {
      time: '2026-11-21T05:12:09.120Z',
      level: 'warn' as const,
      msg: 'slow \u001B[2J',
      component: 'http',
      why: 'a b',
    }
    assert.equal(
      logText(line, (_, text) => text),
      '05:12:09.120 warn  slow [2J  component=http why="a b"',
    )
  })
})

describe('parseHost', () => {
  it('takes what people type', () => {
    assert.equal(parseHost('gateway'), 'http://gateway:11440')
    assert.equal(parseHost('10.0.0.2:80'), 'http://10.0.0.2')
    assert.equal(parseHost('https://gw.example/v1/'), 'https://gw.example')
    assert.equal(parseHost('https://gw.example/heddle/'), 'https://gw.example/heddle')
    for (const bad of ['http://u:p@h', 'a b', '']) assert.throws(() => parseHost(bad), { code: 'usage' }, bad)
  })
})

describe('findNode', () => {
  it('gives the keys of this machine’s node to that node only', async (t) => {
    const home = await temporaryFolder(t)
    const paths = {
      nodeFile: join(home, 'node.json'),
      adminKeyFile: join(home, 'admin.key'),
      defaultKeyFile: join(home, 'default.key'),
    }
    await mkdir(home, { recursive: true })
    await writeFile(
      paths.nodeFile,
      JSON.stringify({ pid: process.pid, url: 'http://127.0.0.1:1', startedAt: '', version: '1' }),
    )
    await writeFile(paths.adminKeyFile, 'admin-secret\n')
    await writeFile(paths.defaultKeyFile, 'default-secret\n')
    const find = (host?: string, env = {}, keyFile?: string) => findNode({ paths, env, host, keyFile })
    const own = { url: 'http://127.0.0.1:1', key: 'admin-secret', inferenceKey: 'default-secret', pid: process.pid }
    assert.deepEqual(await find(), own)
    assert.deepEqual(await find('http://127.0.0.1:1/'), own)
    assert.deepEqual(await find('http://127.0.0.1:2'), {
      url: 'http://127.0.0.1:2',
      key: undefined,
      inferenceKey: undefined,
      pid: undefined,
    })
    const given = await find('http://127.0.0.1:2', { HEDDLE_API_KEY: 'mine' })
    assert.equal(given.key, 'mine')
    assert.equal((await find(undefined, {}, paths.defaultKeyFile)).key, 'default-secret')
    await assert.rejects(find(undefined, {}, join(home, 'none')), { code: 'usage' })
  })

  it('says that no node runs where the file is missing, broken, or a dead node’s', async (t) => {
    const home = await temporaryFolder(t)
    const paths = { nodeFile: join(home, 'node.json'), adminKeyFile: join(home, 'a'), defaultKeyFile: join(home, 'd') }
    const find = () => findNode({ paths, env: {}, host: undefined, keyFile: undefined })
    await assert.rejects(find(), { code: 'daemon_down' })
    await writeFile(paths.nodeFile, '{"pid":')
    await assert.rejects(find(), { code: 'daemon_down' })
    // Linux gives out no process ids above 2^22.
    await writeFile(paths.nodeFile, JSON.stringify({ pid: 2 ** 30, url: 'http://127.0.0.1:1' }))
    await assert.rejects(find(), { code: 'daemon_down' })
  })
})
