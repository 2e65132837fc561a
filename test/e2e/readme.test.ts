/** Runs the shell snippets of README.md and docs/guides/ as they stand, in order, on machine `a`, where a node was started with `npm start`, or on those that are named behind `sh`. */
import assert from 'node:assert/strict'
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import { once } from 'node:events'
import { globSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { loadConfig } from '../../src/compose/config.ts'
import { SETTING_KEYS, SETTINGS } from '../../src/compose/settings.ts'
import { type MachineOptions, PageMachines } from '../support/page-machines.ts'
import { root } from '../support/running-checkout.ts'
import { type LoopbackServer, listenOnLoopback, sendJson } from '../support/runtime-server.ts'

const SNIPPETS_WITHIN_MS = 240_000
/** Printed behind each snippet. */
const MARK = '@@the snippet has ended@@'
const SECRET = /sk-heddle-[A-Za-z0-9_-]{20,}/
const MODEL_FILE = 'models/tinychat-1.2m-q8_0.gguf'
const UPSTREAM_KEY = 'a-key-of-that-server'

/** For each page what each of its `sh` snippets must print; a page with another number of snippets fails. */
const EXPECTED: Readonly<Record<string, readonly RegExp[]>> = {
  'README.md': [
    /"The capital of France is Paris\."/,
    /open · (joining|joined|connected to nobody)[\s\S]*open · /,
    /^\* \S+ +12D3KooW\w+ +self +- +online +1 [\s\S]*^- \S+ +12D3KooW\w+ +other +- +online · direct.* 1 /m,
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
  'docs/guides/services.md': [
    /^added whisper: (starting|ready)[\s\S]*✓[\s\S]*^whisper +whisper +this node +ready .*model=large-v3/m,
    /^HTTP\/1\.1 200 OK\r\n[\s\S]*x-computing-node: 12D3KooW[\s\S]*\{"text":"Hello\."\}$/,
    /whisper/,
  ],
  'docs/guides/several-machines.md': [
    /open · /,
    /^\* attic [\s\S]*^- desk .*online · direct/m,
    /open · /,
    /open · /,
    /^\{"bootstraps":\["\/ip4\/127\.0\.0\.1\/tcp\/\d+\/p2p\/12D3KooW\w+"\]\}[\s\S]*open · /,
    /^\* desk [\s\S]*^- attic .*online · direct[\s\S]*^- hut [\s\S]*^PEER [\s\S]*^pong attic {2}direct, [\s\S]*one token of qwen3-8b[\s\S]*^ {2}peers +2 direct/m,
    /^attic +\S+ +mesh +other[\s\S]*\S[\s\S]*attic/m,
    /^stopped the node/,
    /^\* hut (?:(?!desk)[\s\S])*^- attic .*online(?:(?!desk)[\s\S])*$/m,
    SECRET,
  ],
  'docs/guides/private-network.md': [
    /^made the network "workshop"[\s\S]*workshop · /,
    /^this machine is in the network "workshop"[\s\S]*workshop · [\s\S]*^- \S+ .*online · direct/m,
    /^ {2}device +12D3KooW/m,
    /^$/,
    /^this machine is in the network "workshop"[\s\S]*workshop · /m,
    /^$/,
    /^this machine is a device of account[\s\S]*12D3KooW[\s\S]*12D3KooW/m,
  ],
  'docs/guides/clients.md': [/export OPENAI_BASE_URL=\S+\/v1\n[\s\S]*export OPENAI_API_KEY=/, SECRET, /notebook/],
}

/** The machines of pages that tell of more than one; a page of a LAN says nothing of how its machines find each other. */
const OTHERS: Readonly<Record<string, Readonly<Record<string, MachineOptions>>>> = {
  'README.md': { b: { onLanOf: 'a' } },
  'docs/guides/several-machines.md': { b: { onLanOf: 'a', runtimes: 'script:qwen3-8b?tokens=8' }, c: {} },
  'docs/guides/private-network.md': { b: {}, c: {} },
}

interface Snippet {
  readonly text: string
  /** Names of machines, in the order in which it runs on them. */
  readonly on: readonly string[]
}

const pageText = (page: string): string => readFileSync(join(root, page), 'utf8')

/** The fenced blocks of a page with this tag: `sh` runs on machine `a`, `sh a b` on both. */
function snippetsOf(page: string, tag: 'sh' | 'js'): readonly Snippet[] {
  return [...pageText(page).matchAll(/^```(\w*)((?: \w+)*)\n([\s\S]*?)^```$/gm)].flatMap(
    ([, found, on = '', text = '']) => (found === tag ? [{ text, on: on === '' ? ['a'] : on.trim().split(' ') }] : []),
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
    if (request.url === '/v1/audio/transcriptions') {
      request.resume().on('end', () => sendJson(response, 200, { text: 'Hello.' }))
      return
    }
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

/** Runs the snippets of one page, those of each machine in one shell, so that a variable set by one is there for the next; gives what each printed. */
async function runSnippets(
  snippets: readonly Snippet[],
  machines: PageMachines,
  adapted: (text: string) => string = (text) => text,
): Promise<readonly string[]> {
  const shells = new Map<string, Shell>()
  await using stack = new AsyncDisposableStack()
  const printed: string[] = []
  for (const [index, { text, on }] of snippets.entries()) {
    let output = ''
    for (const name of on) {
      let shell = shells.get(name)
      if (shell === undefined) {
        shell = stack.use(new Shell({ cwd: machines.folder, env: machines.of(name).env }))
        shells.set(name, shell)
      }
      output += await shell.run(withSeenId(adapted(text), printed), `snippet ${index + 1}`)
    }
    printed.push(output.trim())
  }
  return printed
}

/** What a reader puts for an id that a page breaks off: the one that was printed last. */
function withSeenId(text: string, printed: readonly string[]): string {
  const seen = [...printed.join('\n').matchAll(/12D3KooW\w{44}/g)].at(-1)?.[0]
  return text.replaceAll('12D3KooW…', seen ?? '12D3KooW…')
}

/** A shell that ends with the first command that fails. */
class Shell implements AsyncDisposable {
  readonly #child: ChildProcessWithoutNullStreams
  readonly #closed: Promise<number | null>
  #printed = ''
  #complaints = ''

  constructor(where: { readonly cwd: string; readonly env: NodeJS.ProcessEnv }) {
    this.#child = spawn('bash', ['-euo', 'pipefail'], { ...where, timeout: SNIPPETS_WITHIN_MS })
    this.#closed = new Promise((resolve) => this.#child.on('close', resolve))
    this.#child.stdout.on('data', (chunk: Buffer) => (this.#printed += chunk.toString('utf8')))
    this.#child.stderr.on('data', (chunk: Buffer) => (this.#complaints += chunk.toString('utf8')))
    // Of a shell that has ended; `run` tells with which code.
    this.#child.stdin.on('error', () => {})
  }

  /** What it prints. @throws with everything printed, where a command fails */
  async run(text: string, what: string): Promise<string> {
    this.#printed = ''
    // Commands must not read what comes behind them.
    this.#child.stdin.write(`{\n${text}\n} </dev/null\nprintf '%s' '${MARK}'\n`)
    const { stdout } = this.#child
    while (!this.#printed.includes(MARK) && !stdout.readableEnded)
      await Promise.race([once(stdout, 'data'), this.#closed])
    const end = this.#printed.indexOf(MARK)
    if (end !== -1) return this.#printed.slice(0, end)
    const code = await this.#closed
    assert.fail(`${what} failed (exit ${code}):\n${text}${this.#printed}${this.#complaints}`)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.stdin.end()
    await this.#closed
  }
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
  const withAddresses = (text: string, machines: PageMachines): string =>
    text
      .replaceAll('http://127.0.0.1:8000', server.url)
      .replaceAll('https://example.com', server.url)
      .replaceAll('"port": "8000"', `"port": "${server.port}"`)
      .replaceAll('https://api.example.com', guarded.url)
      .replaceAll('http://127.0.0.1:9000', server.url)
      .replaceAll('https://desk.example', machines.of('a').url)
      .replaceAll('/ip4/203.0.113.7/tcp/11441', machines.of('a').meshAddress)

  async function openMachines(page: string): Promise<PageMachines> {
    const machines = await PageMachines.open(OTHERS[page] ?? {})
    writeFileSync(join(machines.of('a').home, 'example.key'), UPSTREAM_KEY, { mode: 0o600 })
    writeFileSync(join(machines.folder, 'export.txt'), 'four words of my own', { mode: 0o600 })
    writeFileSync(join(machines.folder, 'speech.wav'), 'RIFF')
    return machines
  }

  it('are expected on every page that could have some', () => {
    const pages = ['README.md', ...globSync('docs/guides/*.md', { cwd: root })].toSorted()
    assert.deepEqual(pages, Object.keys(EXPECTED).toSorted())
  })

  for (const [page, expected] of Object.entries(EXPECTED)) {
    it(`work in ${page}`, async () => {
      const found = snippetsOf(page, 'sh')
      assert.equal(found.length, expected.length, `${page} has another number of snippets`)
      await using machines = await openMachines(page)
      const printed = await runSnippets(found, machines, (text) => withAddresses(text, machines))
      for (const [index, pattern] of expected.entries()) assert.match(printed[index] ?? '', pattern, found[index]?.text)

      assert.match(machines.output(), /http:\/\/127\.0\.0\.1:\d+/)
      assert.match(machines.output(), /curl /)
      for (const secret of [SECRET, /What is 13|Spell lamp|l-a-m-p|is Paris/])
        assert.doesNotMatch(machines.output() + machines.logs(), secret)
    })
  }

  it('work in JavaScript', async () => {
    const [script] = snippetsOf('docs/guides/clients.md', 'js')
    await using machines = await openMachines('docs/guides/clients.md')
    writeFileSync(join(machines.folder, 'spell.mjs'), script?.text ?? '')
    const text = `eval "$(npm run -s heddle -- env)"\n'${process.execPath}' spell.mjs\n`
    const [printed] = await runSnippets([{ text, on: ['a'] }], machines)
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

  it('start a node with settings that exist', () => {
    const found = Object.keys(EXPECTED).flatMap((page) => [
      ...pageText(page).matchAll(/(?:^ {4}npm run -s heddle --|`(?:HEDDLE_HOME=\S+ )?heddle) up (--[^`\n]+)/gm),
    ])
    assert.ok(found.length >= 3)
    for (const [, typed = ''] of found) {
      const flags = [...typed.matchAll(/(--\S+) (\S+)/g)].map(([, flag = '', value = '']) => {
        const key = SETTING_KEYS.find((each) => SETTINGS[each].flag === flag)
        assert.ok(key !== undefined, `there is no ${flag}`)
        return [key, value] as const
      })
      assert.ok(loadConfig({ flags: Object.fromEntries(flags), env: {}, files: [] }))
    }
  })

  it('fail when a command in them fails', async () => {
    await using machines = new PageMachines()
    const shell = new Shell({ cwd: machines.folder, env: process.env })
    assert.equal(await shell.run('echo one', 'snippet 1'), 'one\n')
    await assert.rejects(shell.run('false | cat\ntrue', 'snippet 2'), /snippet 2 failed \(exit 1\)/)
  })
})
