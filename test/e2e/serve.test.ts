/** `heddle serve` as a supervisor runs it: its first words, its end, its refusals. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import type { Ps } from '../../src/core/wire/admin.ts'
import { cliIn, finished } from '../support/cli-process.ts'
import { waitUntil } from '../support/wait-until.ts'

describe('heddle serve', () => {
  it('prints what a newcomer needs, lets a running stream finish on SIGTERM, and ends with 0', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'heddle-cli-'))
    const cli = cliIn(folder)
    const env = { HEDDLE_RUNTIMES: 'script:slow?tokens=30&rate=20' }
    const node = cli.start(['serve'], env)
    try {
      let out = ''
      node.stdout?.on('data', (chunk: Buffer) => (out += chunk.toString()))
      const closed = once(node, 'close')
      await waitUntil(() => out.includes('Ctrl+C stops it.'), 'the first words', 30_000)
      assert.match(out, /API {6}http:\/\/127\.0\.0\.1:\d+\/v1\n {2}Key {6}in .*default\.key\n {2}Model {4}slow\n/)
      assert.doesNotMatch(out, /sk-heddle/)
      const asking = cli.start(['run', 'slow', 'hello', '--json'])
      const asked = finished(asking)
      const busy = async (): Promise<boolean> => {
        const { out: text } = await cli.call(['ps', '--json'])
        return (JSON.parse(text) as Ps).models[0]?.inFlight === 1
      }
      await waitUntil(busy, 'the request to run')
      node.kill('SIGTERM')
      const answer = await asked
      assert.equal((JSON.parse(answer.out) as { usage: { output_tokens: number } }).usage.output_tokens, 30, answer.err)
      const [code] = (await closed) as [number | null]
      assert.equal(code, 0)
    } finally {
      node.kill('SIGKILL')
      rmSync(folder, { recursive: true, force: true })
    }
  })

  it('ends at once on a second signal, with 128 and its number', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'heddle-cli-'))
    const cli = cliIn(folder)
    const node = cli.start(['serve'], { HEDDLE_RUNTIMES: 'script:slow?tokens=1000&rate=1' })
    try {
      let out = ''
      node.stdout?.on('data', (chunk: Buffer) => (out += chunk.toString()))
      await waitUntil(() => out.includes('Ctrl+C stops it.'), 'the first words', 30_000)
      const asking = cli.start(['run', 'slow', 'hello'])
      const asked = finished(asking)
      await once(asking.stdout as NodeJS.ReadableStream, 'data')
      const closed = once(node, 'close')
      let ended = false
      node.once('close', () => (ended = true))
      node.kill('SIGTERM')
      await waitUntil(
        async () => (await cli.call(['status', '--json'])).out.includes('"draining"') || ended,
        'the drain',
      )
      assert.equal(ended, false)
      node.kill('SIGTERM')
      const [code] = (await closed) as [number | null]
      assert.equal(code, 143)
      const answer = await asked
      assert.equal(answer.code, 1)
      assert.match(answer.err, /^error: the answer broke off {2}\[upstream_interrupted\]/)
    } finally {
      node.kill('SIGKILL')
      rmSync(folder, { recursive: true, force: true })
    }
  })

  it('refuses a wrong configuration before anything starts', async () => {
    const file = join(tmpdir(), `heddle-cli-${process.pid}.toml`)
    writeFileSync(file, '[http]\nlistn = "127.0.0.1:1"\n')
    try {
      for (const command of ['serve', 'up']) {
        const { code, err } = await cliIn(tmpdir()).call([command, '--config', file])
        assert.equal(code, 10)
        assert.equal(
          err,
          `error: file ${file}:2: there is no setting "http.listn"; did you mean http.listen?  [config_invalid]\n  try: rename it to http.listen\n`,
        )
      }
    } finally {
      rmSync(file, { force: true })
    }
  })
})
