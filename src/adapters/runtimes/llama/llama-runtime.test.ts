/** Tests of the llama runtime as a whole: its contract, its process, and what happens when that dies. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { runtimeContract } from '../../../../test/contracts/runtime.contract.ts'
import { buildGguf } from '../../../../test/support/gguf-builder.ts'
import {
  ask,
  chatText,
  type ErrorAnswer,
  makeLlama,
  reached,
  readText,
  sendTo,
  startLlama,
  TINY_MODEL,
  TINY_MODEL_PATH,
} from '../../../../test/support/llama-engine.ts'
import { temporaryFolder } from '../../../../test/support/tmp.ts'
import { HeddleError } from '../../../core/errors.ts'

const QUESTION = 'What is the capital of France?'
const ANSWER = 'The capital of France is Paris.'
const STORY = [{ role: 'user', content: 'Tell me a story about a dog.' }]
/** Stories enough to keep every sequence busy for seconds. */
const LONG = { model: TINY_MODEL, messages: STORY, temperature: 1, n: 64 }
/** Only one that hangs is slower, on any machine. */
const PATIENCE_MS = 5_000

runtimeContract('LlamaRuntime', async () => {
  const engine = await makeLlama()
  return {
    runtime: engine.runtime,
    model: TINY_MODEL,
    embeddingModel: TINY_MODEL,
    longAnswer: { messages: STORY, temperature: 1, n: 64, max_tokens: 500 },
    [Symbol.asyncDispose]: () => engine[Symbol.asyncDispose](),
  }
})

const hasCode =
  (...codes: readonly string[]) =>
  (error: unknown): boolean =>
    error instanceof HeddleError && codes.includes(error.code)

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

describe('the engine process', () => {
  it('is ready within three seconds and tells what it serves', async () => {
    const startedMs = performance.now()
    await using engine = await startLlama()
    assert.ok(performance.now() - startedMs < PATIENCE_MS)
    const { offers, facts, capacity } = engine.runtime.snapshot()
    assert.equal(capacity, 4)
    assert.equal(facts['processor'], 'CPU')
    assert.equal(facts['loaded'], TINY_MODEL)
    assert.notEqual(facts['pid'], process.pid)
    const [offer] = offers
    assert.deepEqual(
      [offer?.architecture, offer?.quantisation, offer?.parameters, offer?.contextTokens, offer?.sizeBytes],
      ['llama', 'Q8_0', 1_238_656, 512, 1_347_360],
    )
  })

  it('breaks the stream truthfully when killed mid-stream, and answers again within five seconds', async (t) => {
    await using engine = await startLlama()
    const { runtime } = engine
    const response = await sendTo(runtime, '/v1/chat/completions', { ...LONG, stream: true }, t.signal)
    assert.equal(response.status, 200)
    const body = response.body[Symbol.asyncIterator]()
    assert.equal((await body.next()).done, false)
    const pid = runtime.snapshot().facts['pid'] as number
    process.kill(pid, 'SIGKILL')
    const killedMs = performance.now()
    let text = ''
    await assert.rejects(async () => {
      for (let step = await body.next(); step.done !== true; step = await body.next())
        text += Buffer.from(step.value).toString()
    }, hasCode('upstream_interrupted'))
    assert.ok(!text.includes('[DONE]'))
    assert.equal(runtime.inFlight(), 0)
    await reached(runtime, 'unhealthy')
    assert.match(runtime.snapshot().reason, /SIGKILL/)
    await assert.rejects(sendTo(runtime, '/v1/chat/completions', LONG, t.signal), hasCode('runtime_unavailable'))
    await reached(runtime, 'starting')
    await assert.rejects(sendTo(runtime, '/v1/chat/completions', LONG, t.signal), hasCode('model_loading'))
    await reached(runtime, 'ready')
    assert.equal(await chatText(runtime, QUESTION), ANSWER)
    assert.ok(performance.now() - killedMs < PATIENCE_MS, `it took ${performance.now() - killedMs} ms`)
    assert.notEqual(runtime.snapshot().facts['pid'], pid)
  })

  it('waits longer before each restart while it keeps dying', async () => {
    await using engine = await startLlama()
    const { runtime, log } = engine
    for (let death = 0; death < 2; death += 1) {
      process.kill(runtime.snapshot().facts['pid'] as number, 'SIGKILL')
      await reached(runtime, 'unhealthy')
      await reached(runtime, 'ready')
    }
    const pauses = log.records
      .filter(({ message }) => message.startsWith('engine process ended'))
      .map(({ fields }) => fields['pauseMs'])
    assert.deepEqual(pauses, [250, 500])
  })

  it('ends with the runtime and leaves nothing in the socket folder', async (t) => {
    const folder = join(await temporaryFolder(t), 'sockets')
    const engine = await startLlama({ socketFolder: folder })
    const pid = engine.runtime.snapshot().facts['pid'] as number
    await engine[Symbol.asyncDispose]()
    assert.throws(() => process.kill(pid, 0), { code: 'ESRCH' })
    assert.deepEqual(await readdir(folder), [])
    assert.equal(engine.runtime.snapshot().state, 'stopped')
  })

  it('ends by itself when its node is killed, and leaves no socket', async (t) => {
    const folder = await temporaryFolder(t)
    const support = new URL('../../../../test/support/llama-engine.ts', import.meta.url).href
    const script = `const { startLlama } = await import('${support}')
      const { runtime } = await startLlama({ socketFolder: '${join(folder, 'sockets')}' })
      process.send(runtime.snapshot().facts.pid)`
    const node = spawn(process.execPath, ['--input-type=module', '--eval', script], {
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
      env: { TMPDIR: folder },
    })
    const [pid] = (await once(node, 'message')) as [number]
    process.kill(pid, 0)
    node.kill('SIGKILL')
    await once(node, 'exit')
    const endMs = performance.now() + PATIENCE_MS
    while (isAlive(pid)) {
      assert.ok(performance.now() < endMs, 'the engine outlived its node')
      await sleep(20)
    }
    assert.deepEqual(await readdir(join(folder, 'sockets')), [])
  })

  it('says what to install when the engine is missing, and does not crash', async (t) => {
    await using engine = await startLlama({ engine: 'node-llama-cpp-that-nobody-installed' }, 'unhealthy')
    const { reason } = engine.runtime.snapshot()
    assert.match(reason, /not installed: npm install node-llama-cpp@/)
    await assert.rejects(sendTo(engine.runtime, '/v1/chat/completions', LONG, t.signal), hasCode('runtime_unavailable'))
  })

  it('says so when no binary for the chosen processor is installed', async () => {
    await using engine = await startLlama({ gpu: 'vulkan' }, 'unhealthy')
    assert.match(engine.runtime.snapshot().reason, /no prebuilt engine for vulkan/)
  })
})

describe('model files', () => {
  it('never shows the engine a file whose header is wrong', async (t) => {
    const folder = await temporaryFolder(t)
    const path = join(folder, 'broken.gguf')
    await writeFile(path, buildGguf().subarray(0, 200))
    await using engine = await startLlama({
      models: [
        { id: TINY_MODEL, path: TINY_MODEL_PATH },
        { id: 'broken', path },
      ],
    })
    assert.deepEqual(
      engine.runtime.snapshot().offers.map(({ id }) => id),
      [TINY_MODEL],
    )
    const refused = await ask<ErrorAnswer>(engine.runtime, '/v1/completions', { model: 'broken', prompt: 'x' })
    assert.equal(refused.status, 503)
    assert.match(refused.json.error.message, /not a valid GGUF file/)
    assert.ok(
      engine.log.records.some(
        ({ message, fields }) => message === 'model file refused' && fields['model'] === 'broken',
      ),
    )
  })

  it('survives a file with a right header that the engine cannot load, and no longer offers it', async (t) => {
    const path = join(await temporaryFolder(t), 'small.gguf')
    await writeFile(path, buildGguf())
    await using engine = await startLlama({
      models: [
        { id: TINY_MODEL, path: TINY_MODEL_PATH },
        { id: 'small', path },
      ],
    })
    const { runtime } = engine
    assert.equal(runtime.snapshot().offers.length, 2)
    const refused = await ask<ErrorAnswer>(runtime, '/v1/completions', { model: 'small', prompt: 'x' })
    assert.equal(refused.status, 503)
    assert.deepEqual(
      runtime.snapshot().offers.map(({ id }) => id),
      [TINY_MODEL],
    )
    assert.equal(await chatText(runtime, QUESTION), ANSWER)
  })

  it('is unhealthy when none of the files can be used', async (t) => {
    const folder = await temporaryFolder(t)
    await mkdir(join(folder, 'x'))
    await using engine = await startLlama(
      { models: [{ id: 'none', path: join(folder, 'x', 'none.gguf') }] },
      'unhealthy',
    )
    assert.match(engine.runtime.snapshot().reason, /none of the model files/)
  })

  it('takes other files while it runs, loads them when asked, and keeps only so many in memory', async () => {
    const models = ['a', 'b', 'c'].map((id) => ({ id, path: TINY_MODEL_PATH }))
    await using engine = await startLlama({ models: models.slice(0, 1), loadedModels: 2 })
    const { runtime } = engine
    runtime.setModels(models)
    await new Promise<void>((resolve) => {
      const stop = runtime.onChange(() => {
        if (runtime.snapshot().offers.length !== 3) return
        stop()
        resolve()
      })
    })
    assert.equal(runtime.snapshot().facts['loaded'], 'a')
    const answers = await Promise.all(models.map(({ id }) => chatText(runtime, QUESTION, { model: id })))
    assert.deepEqual(answers, [ANSWER, ANSWER, ANSWER])
    assert.equal(String(runtime.snapshot().facts['loaded']).split(', ').length, 2)
    assert.equal(await chatText(runtime, QUESTION, { model: 'a' }), ANSWER)
  })

  it('keeps at rest without a model, and starts when one comes', async () => {
    await using engine = await makeLlama({ models: [] })
    const { runtime } = engine
    runtime.start()
    assert.equal(runtime.snapshot().state, 'stopped')
    assert.equal(runtime.snapshot().facts['pid'], undefined)
    runtime.setModels([{ id: TINY_MODEL, path: TINY_MODEL_PATH }])
    await reached(runtime, 'ready')
    assert.equal(await chatText(runtime, QUESTION), ANSWER)
  })
})

/** CPU time that a process has used; undefined where the system has no such file. */
async function cpuMs(pid: unknown): Promise<number | undefined> {
  const text = await readFile(`/proc/${String(pid)}/stat`, 'utf8').catch(() => undefined)
  // proc(5): the command in parentheses, then utime and stime as the 12th and 13th fields after it, in ticks of 10 ms.
  const fields = text?.slice(text.lastIndexOf(')') + 2).split(' ')
  return fields === undefined ? undefined : (Number(fields[11]) + Number(fields[12])) * 10
}

describe('leaving', () => {
  it('stops the engine when clients leave, and serves whoever comes next', async (t) => {
    await using engine = await startLlama()
    const { runtime } = engine
    const leave = new AbortController()
    const bodies = await Promise.all(
      [1, 2, 3, 4].map((seed) =>
        sendTo(runtime, '/v1/chat/completions', { ...LONG, seed, stream: true }, leave.signal),
      ),
    )
    assert.equal(runtime.inFlight(), 4)
    leave.abort(new Error('left'))
    assert.equal(runtime.inFlight(), 0)
    await sleep(100, undefined, { signal: t.signal })
    const { pid } = runtime.snapshot().facts
    const before = await cpuMs(pid)
    await sleep(500, undefined, { signal: t.signal })
    const after = await cpuMs(pid)
    // Left alone, these 256 stories would take all of a core for many seconds.
    if (before !== undefined && after !== undefined)
      assert.ok(after - before <= 100, `it worked on for ${after - before} ms`)
    assert.equal(await chatText(runtime, QUESTION), ANSWER)
    await Promise.all(bodies.map((body) => assert.rejects(readText(body), /left/)))
  })
})
