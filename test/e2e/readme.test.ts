/** Runs the shell snippets of README.md and docs/guides/ as they stand, in order, against a node started with `npm start`. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { type RunningCheckout, root, startCheckout } from '../support/running-checkout.ts'

const SNIPPETS_WITHIN_MS = 120_000
const SECRET = /sk-heddle-[A-Za-z0-9_-]{20,}/

/** For each page what each of its snippets must print; a page with another number of snippets fails. */
const EXPECTED: Readonly<Record<string, readonly RegExp[]>> = {
  'README.md': [/"The capital of France is Paris\."/, SECRET, /running[\s\S]*llama +ready/, /13 \+ 18 = 31\./],
  'docs/guides/first-request.md': [
    /^$/,
    /"id":\s*"tinychat-1\.2m-q8_0"/,
    /"13 \+ 18 = 31\."[\s\S]*"usage"/,
    /data: \{[\s\S]*data: \[DONE\]/,
    /The capital of France is Paris\./,
    /req_/,
  ],
  'docs/guides/other-runtimes.md': [],
  'docs/guides/clients.md': [/export OPENAI_BASE_URL=\S+\/v1\n[\s\S]*export OPENAI_API_KEY=/, SECRET, /notebook/],
}

/** The fenced blocks of a page that are tagged `sh`. */
function snippetsOf(page: string): readonly string[] {
  const text = readFileSync(join(root, page), 'utf8')
  return [...text.matchAll(/^```sh\n([\s\S]*?)^```$/gm)].map(([, snippet = '']) => snippet)
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
  let node: RunningCheckout | undefined

  before(async () => {
    node = await startCheckout()
  })
  after(async () => {
    await node?.[Symbol.asyncDispose]()
  })

  it('are expected on every page that could have some', () => {
    const pages = ['README.md', ...globSync('docs/guides/*.md', { cwd: root })].toSorted()
    assert.deepEqual(pages, Object.keys(EXPECTED).toSorted())
  })

  for (const [page, expected] of Object.entries(EXPECTED)) {
    it(`work in ${page}`, async () => {
      const snippets = snippetsOf(page)
      assert.equal(snippets.length, expected.length, `${page} has another number of snippets`)
      if (snippets.length === 0) return
      assert.ok(node)
      const printed = await runSnippets(snippets, node.env)
      for (const [index, pattern] of expected.entries()) assert.match(printed[index] ?? '', pattern, snippets[index])
    })
  }

  it('fail when a command in them fails', async () => {
    await assert.rejects(runSnippets(['true', 'false | cat', 'true'], process.env), /snippet 2 failed \(exit 1\)/)
  })

  it('leave a node that prints neither key nor prompt', () => {
    assert.ok(node)
    assert.match(node.output(), /http:\/\/127\.0\.0\.1:\d+/)
    assert.match(node.output(), /tinychat-1\.2m-q8_0/)
    assert.match(node.output(), /curl /)
    assert.doesNotMatch(node.output(), SECRET)
  })
})
