/** Discovery of local runtimes among servers that are one, are none, are slow, or are ourselves. */
import assert from 'node:assert/strict'
import type { RequestListener } from 'node:http'
import { describe, it, type TestContext } from 'node:test'
import { listenOnLoopback, sendJson } from '../../../test/support/runtime-server.ts'
import { SystemClock } from '../system/system-clock.ts'
import { discoverRuntimes, LOCAL_PROBES, type Probe } from './discover.ts'
import { parseRuntimeSpec } from './spec.ts'

const ollama: RequestListener = (request, response) => {
  if (request.url === '/api/version') sendJson(response, 200, { version: '0.40.1' })
  else if (request.url === '/api/tags')
    sendJson(response, 200, { models: [{ name: 'a:latest' }, { name: 'b:latest' }] })
  else response.writeHead(404).end()
}
const openai: RequestListener = (request, response) => {
  if (request.url === '/v1/models') sendJson(response, 200, { object: 'list', data: [{ id: 'm' }] })
  else response.writeHead(404).end()
}

async function urlOf(t: TestContext, listener: RequestListener): Promise<string> {
  const server = await listenOnLoopback(listener)
  t.after(() => server[Symbol.asyncDispose]())
  return server.url
}

async function closedUrl(): Promise<string> {
  await using server = await listenOnLoopback(() => {})
  return server.url
}

const deps = { clock: new SystemClock() }

describe('discoverRuntimes', () => {
  it('knows the usual ports, each once', () => {
    assert.deepEqual(
      LOCAL_PROBES.map(({ url }) => new URL(url).port),
      ['11434', '1234', '8000', '8080', '30000', '52415'],
    )
  })

  it('finds what answers as expected, with its models and a spec that can be used', async (t) => {
    const probes: Probe[] = [
      { kind: 'ollama', program: 'Ollama', url: await urlOf(t, ollama) },
      { kind: 'openai', program: 'vLLM', url: await urlOf(t, openai) },
      { kind: 'openai', program: 'nobody', url: await closedUrl() },
    ]
    const found = await discoverRuntimes(deps, { probes, signal: t.signal })
    assert.deepEqual(
      found.map(({ program, models }) => [program, models]),
      [
        ['Ollama', 2],
        ['vLLM', 1],
      ],
    )
    for (const { spec, kind, url } of found) {
      const parsed = parseRuntimeSpec(spec)
      assert.equal(parsed.kind, kind)
      assert.equal('url' in parsed ? parsed.url.text : '', url)
    }
  })

  it('leaves out web pages, other APIs, servers that want a key, and our own gateway', async (t) => {
    const others: RequestListener[] = [
      (_request, response) => response.end('<html></html>'),
      (_request, response) => sendJson(response, 200, { hello: 'world' }),
      (_request, response) => response.writeHead(401).end(),
      (request, response) => request.socket.destroy(response.errored ?? undefined),
      (request, response) => {
        response.setHeader('x-heddle-version', '0.1.0')
        openai(request, response)
      },
      (request, response) => {
        response.setHeader('X-Heddle-Version', '0.1.0')
        ollama(request, response)
      },
    ]
    const probes: Probe[] = []
    for (const listener of others) {
      const url = await urlOf(t, listener)
      probes.push({ kind: 'openai', program: 'other', url }, { kind: 'ollama', program: 'other', url })
    }
    assert.deepEqual(await discoverRuntimes(deps, { probes, signal: t.signal }), [])
  })

  it('does not wait longer than half a second for all of them together', async (t) => {
    const slow = await urlOf(t, () => {})
    const probes: Probe[] = [
      ...Array.from({ length: 5 }, (_probe, index) => ({
        kind: 'openai' as const,
        program: `slow${index}`,
        url: slow,
      })),
      { kind: 'openai', program: 'quick', url: await urlOf(t, openai) },
    ]
    const beganMs = performance.now()
    const found = await discoverRuntimes(deps, { probes, signal: t.signal })
    assert.ok(performance.now() - beganMs < 700, `${performance.now() - beganMs} ms`)
    assert.deepEqual(
      found.map(({ program }) => program),
      ['quick'],
    )
  })

  it('looks for Ollama where OLLAMA_HOST says', async (t) => {
    const url = await urlOf(t, ollama)
    const probes = LOCAL_PROBES.filter(({ kind }) => kind === 'ollama')
    for (const ollamaHost of [url, new URL(url).host, url.replace('127.0.0.1', '0.0.0.0')]) {
      const [found] = await discoverRuntimes(deps, { ollamaHost, probes, signal: t.signal })
      assert.equal(found?.url, url)
    }
  })

  it('stops when told to', async (t) => {
    const slow = await urlOf(t, () => {})
    const probes: Probe[] = [{ kind: 'openai', program: 'slow', url: slow }]
    await assert.rejects(discoverRuntimes(deps, { probes, signal: AbortSignal.timeout(20) }), { name: 'TimeoutError' })
  })
})
