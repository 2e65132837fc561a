/** Runs the shell snippets of README.md and docs/guides/ as they stand, in order, against a node started with `npm start`. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { globSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { loadConfig } from '../../src/compose/config.ts'
import { type RunningCheckout, root, startCheckout } from '../support/running-checkout.ts'
import { type LoopbackServer, listenOnLoopback, sendJson } from '../support/runtime-server.ts'

const SNIPPETS_WITHIN_MS = 120_000
const SECRET = /sk-heddle-[A-Za-z0-9_-]{20,}/
const MODEL_FILE = 'models/tinychat-1.2m-q8_0.gguf'
const UPSTREAM_KEY = 'a-key-of-that-server'

/** For each page what each of its `sh` snippets must print; a page with another number of snippets fails. */
const EXPECTED: Readonly<Record<string, readonly RegExp[]>> = {
  'README.md': [
    /"The capital of France is Paris\."/,
    /^added openai:http:\S+: (starting|ready)/m,
    /^$/,
    SECRET,
    /running[\s\S]*llama +ready/,
    /^13 \+ 18 = 31\.$/,
  ],
  'docs/guides/first-request.md': [
    /^$/,
    /"id":\s*"tinychat-1\.2m-q8_0"/,
    /"13 \+ 18 = 31\."[\s\S]*"usage"/,
    /data: \{[\s\S]*data: \[DONE\]/,
    /^The capital of France is Paris\.$/,
    /req_/,
  ],
  'docs/guides/other-runtimes.md': [
    /^added openai:http:\S+: (starting|ready)[\s\S]*^RUNTIME[\s\S]*openai:http:/m,
    /^added openai:http:\S+: (starting|ready)/m,
    /offers stand-in-model[\s\S]*✓ answer/,
    /^ *model +[\s\S]*stand-in-model/m,
  ],
  'docs/guides/ocf.md': [
    /^\{"status":"ok"\}$/,
    /^HTTP\/1\.1 200 OK\r\n[\s\S]*x-computing-node: 12D3KooW[\s\S]*"13 \+ 18 = 31\."/,
    /"\/12D3KooW\w+":\{[\s\S]*"identity_group":\["model=tinychat-1\.2m-q8_0"\]/,
    /^\{"status":"ok"\}\{"object":"list"[\s\S]*"tinychat-1\.2m-q8_0"/,
    /"id":"tinychat-1\.2m-q8_0"/,
    /^ok$/,
  ],
  'docs/guides/clients.md': [/export OPENAI_BASE_URL=\S+\/v1\n[\s\S]*export OPENAI_API_KEY=/, SECRET, /notebook/],
}

const pageText = (page: string): string => readFileSync(join(root, page), 'utf8')

/** The fenced blocks of a page with this tag. */
function snippetsOf(page: string, tag: 'sh' | 'js'): readonly string[] {
  return [...pageText(page).matchAll(/^```(\w*)\n([\s\S]*?)^```$/gm)].flatMap(([, found, snippet = '']) =>
    found === tag ? [snippet] : [],
  )
}

/** Stands for the servers that the pages name: an OpenAI-compatible one, and one with a GGUF file. */
function startStandIn(key?: string): Promise<LoopbackServer> {
  return listenOnLoopback((request, response) => {
    if (request.url === '/model.gguf') return void response.end(readFileSync(join(root, MODEL_FILE)))
    if (key !== undefined && request.headers.authorization !== `Bearer ${key}`)
      return sendJson(response, 401, { error: {} })
    if (request.url === '/health') return void response.end('ok')
    if (request.url === '/v1/models')
      return sendJson(response, 200, { object: 'list', data: [{ id: 'stand-in-model' }] })
    if (request.url !== '/v1/chat/completions') return sendJson(response, 404, { error: { message: 'not here' } })
    const message = { role: 'assistant', content: 'Hello.' }
    const usage = { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 }
    return sendJson(response, 200, {
      object: 'chat.completion',
      choices: [{ index: 0, message, finish_reason: 'stop' }],
      usage,
    })
  })
}

/** Runs the snippets of one page in one shell, so that a variable set by one is there for the next; gives what each printed. */
async function runSnippets(snippets: readonly string[], env: NodeJS.ProcessEnv): Promise<readonly string[]> {
  const mark = (index: number): string => `@@snippet ${index} ended@@`
  const script = snippets.map((snippet, index) => `${snippet}\nprintf '%s' '${mark(index)}'\n`).join('')
  const child = spawn('bash', ['-euo', 'pipefail', '-c', script], {
    cwd: root,
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: SNIPPETS_WITHIN_MS,
  })
  let printed = ''
  let complaints = ''
  child.stdout.on('data', (chunk: Buffer) => (printed += chunk.toString('utf8')))
  child.stderr.on('data', (chunk: Buffer) => (complaints += chunk.toString('utf8')))
  const code = await new Promise<number | null>((resolve) => child.on('close', resolve))
  const parts: string[] = []
  for (const index of snippets.keys()) {
    const end = printed.indexOf(mark(index))
    if (end === -1)
      assert.fail(`snippet ${index + 1} failed (exit ${code}):\n${snippets[index]}${printed}${complaints}`)
    parts.push(printed.slice(0, end).trim())
    printed = printed.slice(end + mark(index).length)
  }
  assert.equal(code, 0, complaints)
  return parts
}

describe('the snippets of the documentation', () => {
  let server: LoopbackServer
  let guarded: LoopbackServer

  before(async () => {
    server = await startStandIn()
    guarded = await startStandIn(UPSTREAM_KEY)
  })
  after(async () => {
    await server[Symbol.asyncDispose]()
    await guarded[Symbol.asyncDispose]()
  })

  /** The only thing that is changed in a snippet: addresses that cannot be there while it is tested. */
  const withAddresses = (snippet: string): string =>
    snippet
      .replaceAll('http://127.0.0.1:8000', server.url)
      .replaceAll('https://example.com', server.url)
      .replaceAll('"port": "8000"', `"port": "${server.port}"`)
      .replaceAll('https://api.example.com', guarded.url)

  async function startNode(): Promise<RunningCheckout> {
    const node = await startCheckout({ HEDDLE_MODELS_DISK_RESERVE: '1MiB' })
    writeFileSync(join(node.home, 'example.key'), UPSTREAM_KEY, { mode: 0o600 })
    return node
  }

  it('are expected on every page that could have some', () => {
    const pages = ['README.md', ...globSync('docs/guides/*.md', { cwd: root })].toSorted()
    assert.deepEqual(pages, Object.keys(EXPECTED).toSorted())
  })

  for (const [page, expected] of Object.entries(EXPECTED)) {
    it(`work in ${page}`, async () => {
      const snippets = snippetsOf(page, 'sh').map(withAddresses)
      assert.equal(snippets.length, expected.length, `${page} has another number of snippets`)
      await using node = await startNode()
      const printed = await runSnippets(snippets, node.env)
      for (const [index, pattern] of expected.entries()) assert.match(printed[index] ?? '', pattern, snippets[index])

      assert.match(node.output(), /http:\/\/127\.0\.0\.1:\d+/)
      assert.match(node.output(), /curl /)
      for (const secret of [SECRET, /What is 13|Spell lamp|l-a-m-p|is Paris/])
        assert.doesNotMatch(node.output(), secret)
    })
  }

  it('work in JavaScript', async () => {
    const [script = ''] = snippetsOf('docs/guides/clients.md', 'js')
    await using node = await startNode()
    const command = `eval "$(npm run -s heddle -- env)"\n'${process.execPath}' --input-type=module -e "$SCRIPT"\n`
    const [printed] = await runSnippets([command], { ...node.env, SCRIPT: script })
    assert.equal(printed, 'l-a-m-p.')
  })

  it('start a node with runtimes that exist', () => {
    const found = Object.keys(EXPECTED).flatMap((page) => [
      ...pageText(page).matchAll(/^ {4}HEDDLE_RUNTIMES=(\S+) npm start$/gm),
    ])
    assert.ok(found.length >= 3)
    for (const [, runtimes = ''] of found) {
      const config = loadConfig({ env: { HEDDLE_RUNTIMES: runtimes }, files: [] })
      assert.deepEqual(config.runtimes, runtimes.split(','))
    }
  })

  it('fail when a command in them fails', async () => {
    await assert.rejects(runSnippets(['true', 'false | cat', 'true'], process.env), /snippet 2 failed \(exit 1\)/)
  })
})
