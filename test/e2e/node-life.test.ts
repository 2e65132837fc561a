/** How a node begins and ends: who may start, what survives a kill, and how it drains. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { Agent, request as httpRequest } from 'node:http'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it, type TestContext } from 'node:test'
import { loadConfig } from '../../src/compose/config.ts'
import { startNode } from '../../src/compose/start-node.ts'
import { HeddleError } from '../../src/core/errors.ts'
import type { RuntimeView } from '../../src/core/wire/admin.ts'
import { cliIn } from '../support/cli-process.ts'
import { startNodeProcess } from '../support/node-process.ts'
import { errorIn } from '../support/raw-socket.ts'
import { chat, eventsOf, startTestNode } from '../support/test-node.ts'
import { waitUntil } from '../support/wait-until.ts'

const CHAT = '/v1/chat/completions'

async function homeOf(t: TestContext): Promise<string> {
  const home = await mkdtemp(join(tmpdir(), 'heddle-life-'))
  t.after(() => rm(home, { recursive: true, force: true }))
  return home
}

/** What starting a node in this process fails with. */
async function refusalOf(env: Readonly<Record<string, string>>): Promise<HeddleError> {
  try {
    const config = loadConfig({
      env: { HEDDLE_HTTP_LISTEN: '127.0.0.1:0', HEDDLE_RUNTIMES: 'script:x', HEDDLE_MODE: 'standalone', ...env },
    })
    const node = await startNode(config, { signal: new AbortController().signal })
    await node[Symbol.asyncDispose]()
  } catch (error) {
    assert.ok(error instanceof HeddleError, String(error))
    return error
  }
  throw new Error('the node started')
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

describe('a node that starts', { concurrency: 2 }, () => {
  it('refuses a damaged state file, says the way out, and leaves every byte as it was', async (t) => {
    const home = await homeOf(t)
    const first = await startTestNode({ HEDDLE_HOME: home })
    await (await first.post(CHAT, chat('demo'))).text()
    await first[Symbol.asyncDispose]()
    const path = join(home, 'data/state.db')
    const bytes = await readFile(path)
    for (const damage of [
      (whole: Buffer) => Buffer.concat([Buffer.from('not a database'), whole.subarray(14)]),
      (whole: Buffer) => whole.subarray(0, whole.length - 3 * 4096),
      (whole: Buffer) => Buffer.concat([whole.subarray(0, 4096), Buffer.alloc(whole.length - 4096, 0x5a)]),
    ]) {
      const damaged = damage(bytes)
      await writeFile(path, damaged)
      const { code, out, err } = await cliIn(home).call(['serve'])
      assert.notEqual(code, 0)
      assert.equal(out, '')
      assert.match(err, /state\.db is damaged .*left it as it is {2}\[state_corrupt\]\n {2}try: .*mv /)
      assert.deepEqual(await readFile(path), damaged)
    }
    await writeFile(path, bytes)
    const again = await startTestNode({ HEDDLE_HOME: home })
    assert.equal((await again.post(CHAT, chat('demo'))).status, 200)
    await again[Symbol.asyncDispose]()
  })

  it('refuses keys that others may read, with the command that mends it', async (t) => {
    const home = await homeOf(t)
    const first = await startTestNode({ HEDDLE_HOME: home })
    await first[Symbol.asyncDispose]()
    for (const file of ['data/keys/device.key', 'data/keys/default.key', 'state/admin.key']) {
      const path = join(home, file)
      await chmod(path, 0o644)
      const error = await refusalOf({ HEDDLE_HOME: home })
      assert.equal(error.code, 'insecure_file_mode')
      assert.equal(error.details.fix, `chmod 600 '${path}'`)
      assert.ok(error.message.includes(path))
      await chmod(path, 0o600)
    }
    const { code, err } = await (async () => {
      await chmod(join(home, 'data/keys/device.key'), 0o640)
      return await cliIn(home).call(['serve'])
    })()
    assert.equal(code, 10)
    assert.match(err, /mode 0640\) {2}\[insecure_file_mode\]\n {2}try: chmod 600 '/)
  })

  it('names who holds its port, and leaves nothing behind', async (t) => {
    const home = await homeOf(t)
    const holder = createServer().listen(0, '127.0.0.1')
    await once(holder, 'listening')
    t.after(() => holder.close())
    const { port } = holder.address() as { port: number }
    const error = await refusalOf({ HEDDLE_HOME: home, HEDDLE_HTTP_LISTEN: `127.0.0.1:${port}` })
    assert.equal(error.code, 'port_in_use')
    assert.match(error.message, new RegExp(`port ${port} is in use by ".+" \\(pid ${process.pid}\\)`))
    // The folders are free again.
    const node = await startTestNode({ HEDDLE_HOME: home })
    await node[Symbol.asyncDispose]()
  })

  it('refuses the folders of a running one, and takes them once that is gone', async (t) => {
    const home = await homeOf(t)
    const first = await startTestNode({ HEDDLE_HOME: home })
    const error = await refusalOf({ HEDDLE_HOME: home })
    assert.equal(error.code, 'conflict')
    assert.match(
      error.message,
      new RegExp(`a node runs already with these folders \\(pid ${process.pid}, ${first.url}\\)`),
    )
    assert.match(error.details.fix ?? '', /heddle down/)
    assert.equal((await first.post(CHAT, chat('demo'))).status, 200)
    assert.equal(JSON.parse(await readFile(join(home, 'state/node.json'), 'utf8')).url, first.url)
    await first[Symbol.asyncDispose]()
    const second = await startTestNode({ HEDDLE_HOME: home })
    assert.equal(second.key, first.key)
    await second[Symbol.asyncDispose]()
  })

  it('is alone even where several are started at the same moment', async (t) => {
    const home = await homeOf(t)
    const cli = cliIn(home)
    const children = [1, 2, 3].map(() => cli.start(['serve']))
    const outputs = children.map((child) => {
      let text = ''
      for (const stream of [child.stdout, child.stderr])
        stream?.on('data', (chunk: Buffer) => (text += chunk.toString()))
      return () => text
    })
    t.after(() => {
      for (const child of children) child.kill('SIGKILL')
    })
    const isUp = (text: string): boolean => text.includes('Ctrl+C stops it.')
    await waitUntil(
      () => outputs.every((text) => isUp(text()) || text().includes('[conflict]')),
      'all to decide',
      30_000,
    )
    assert.equal(outputs.filter((text) => isUp(text())).length, 1, outputs.map((text) => text()).join('\n'))
    await waitUntil(() => children.filter((child) => child.exitCode === 1).length === 2, 'the others to end')
  })
})

describe('a node that ends', { concurrency: 2 }, () => {
  it('by SIGKILL takes its engine along, and the next one starts with all keys', async (t) => {
    const home = await homeOf(t)
    const env = { HEDDLE_RUNTIMES: 'llama,script:slow?tokens=5000&rate=50' }
    const first = await startNodeProcess(home, env)
    await using _first = first
    const engineOf = async (node: typeof first): Promise<number> => {
      const { runtimes } = (await (await node.get('/api/v1/runtimes', node.adminKey)).json()) as {
        runtimes: RuntimeView[]
      }
      return Number(runtimes.find(({ id }) => id === 'llama')?.facts['pid'])
    }
    await waitUntil(async () => Number.isInteger(await engineOf(first)), 'the engine', 20_000)
    const engine = await engineOf(first)
    const made = await first.post(
      '/api/v1/keys',
      { name: 'kept' },
      { headers: { authorization: `Bearer ${first.adminKey}` } },
    )
    const { secret } = (await made.json()) as { secret: string }
    const stream = await first.post(CHAT, chat('slow', 'Hi', { stream: true }))
    const reading = stream.text().then(
      () => 'ended',
      () => 'cut',
    )
    first.child.kill('SIGKILL')
    assert.equal(await reading, 'cut')
    await waitUntil(() => !isAlive(engine), 'the engine to end', 5_000)
    await using second = await startNodeProcess(home, env)
    assert.equal(second.key, first.key)
    const headers = { authorization: `Bearer ${secret}` }
    assert.equal((await second.post(CHAT, chat('slow', 'Hi', { max_tokens: 2 }), { headers })).status, 200)
    const secondEngine = await engineOf(second)
    assert.equal(await second.stop(), 0)
    await waitUntil(() => !isAlive(secondEngine), 'the engine to end', 5_000)
  })

  it('by SIGTERM finishes its streams, refuses new requests with `draining`, and ends with 0', async (t) => {
    const home = await homeOf(t)
    await using node = await startNodeProcess(home, { HEDDLE_RUNTIMES: 'script:slow?tokens=60&rate=20,script:demo' })
    const streams = await Promise.all([1, 2].map(() => node.post(CHAT, chat('slow', 'Hi', { stream: true }))))
    const follower = await node.get('/api/v1/logs?follow=true', node.adminKey)
    const following = follower.text().then(
      () => 'ended',
      () => 'cut',
    )
    const stopped = node.stop()
    await waitUntil(async () => (await node.get('/readyz')).status === 503, 'readyz to say no', 1_000)
    const ready = await node.get('/readyz')
    assert.equal(errorIn(await ready.text()).code, 'draining')
    for (const stream of [true, false]) {
      const refused = await node.post(CHAT, chat('demo', 'Hi', { stream }))
      assert.equal(refused.status, 503)
      assert.ok(Number(refused.headers.get('retry-after')) >= 1)
      assert.equal(refused.headers.get('x-should-retry'), 'true')
      assert.equal(refused.headers.get('connection'), 'close')
      assert.equal(errorIn(await refused.text()).code, 'draining')
    }
    assert.equal((await node.get('/livez')).status, 200)
    const status = (await (await node.get('/api/v1/status')).json()) as { state: string }
    assert.equal(status.state, 'draining')
    for (const stream of streams) {
      const events = eventsOf(await stream.text())
      assert.equal(events.at(-1), '[DONE]')
      assert.ok(events.filter((event) => event.includes('"content"')).length >= 60)
    }
    const streamsEndedAt = performance.now()
    assert.equal(await stopped, 0)
    // Far below the drain's own limit of 30 s.
    assert.ok(performance.now() - streamsEndedAt < 8_000, 'something held the end')
    await following
    await assert.rejects(node.get('/livez'))
  })

  it('waits for no client that only keeps its connection', async () => {
    const node = await startTestNode()
    const agent = new Agent({ keepAlive: true, maxSockets: 5 })
    const ask = (): Promise<unknown> =>
      new Promise((resolve, reject) => {
        httpRequest(`${node.url}/livez`, { agent }, (response) => response.resume().on('end', resolve))
          .on('error', reject)
          .end()
      })
    await Promise.all([1, 2, 3, 4, 5].map(ask))
    const startedAt = performance.now()
    await node.node.drain()
    assert.ok(performance.now() - startedAt < 1_000, 'idle connections held the drain')
    agent.destroy()
    await node[Symbol.asyncDispose]()
  })

  it('waits no longer than it was told, and then says in the stream that it broke off', async () => {
    const node = await startTestNode({ HEDDLE_RUNTIMES: 'script:slow?tokens=5000&rate=50', HEDDLE_DRAIN_TIMEOUT: '1s' })
    const stream = await node.post(CHAT, chat('slow', 'Hi', { stream: true }))
    const reading = stream.text().catch((error: unknown) => error)
    const startedAt = performance.now()
    await node.node.drain()
    const drainedMs = performance.now() - startedAt
    assert.ok(drainedMs >= 900 && drainedMs < 2_500, `${drainedMs} ms`)
    await node[Symbol.asyncDispose]()
    const text = await reading
    assert.ok(performance.now() - startedAt < 5_000)
    // Told, or cut off: in no case made to look whole.
    if (typeof text === 'string') assert.equal(eventsOf(text).includes('[DONE]'), false)
  })
})
