/** Nothing secret reaches a line, the ring or a reader, whatever shape it comes in; levels and ring do as told. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { describe, it } from 'node:test'
import { inspect } from 'node:util'
import fc from 'fast-check'
import { HeddleError } from '../../core/errors.ts'
import { limit } from '../../core/limits.ts'
import { LogRing } from './log-ring.ts'
import { type LoggerOptions, startLogger } from './pino-logger.ts'

const SECRET = 'sk-heddle-Canary0123456789-_abcdefghijklmnopqrstuvwxy'
const WORDS = 'the canary prompt sings'

function started(options: Partial<LoggerOptions> = {}) {
  const stream = new PassThrough()
  const logging = startLogger({ level: 'debug', format: 'json', stream, ...options })
  const written = (): string => String(stream.read() ?? '')
  return { ...logging, written }
}

function assertNothingSecret(text: string): void {
  assert(!text.includes(SECRET.slice(10)), text)
  assert(!text.includes('canary prompt'), text)
}

function parseError(): unknown {
  try {
    return JSON.parse(`{"messages": ${WORDS}`)
  } catch (error) {
    return error
  }
}

describe('startLogger', () => {
  const fields: Readonly<Record<string, Record<string, unknown>>> = {
    'a header': {
      headers: { authorization: `Bearer ${SECRET}`, 'X-Api-Key': SECRET, 'api-key': SECRET, cookie: SECRET },
    },
    'a named secret': { a: { secret: WORDS, token: WORDS, key: WORDS }, apiKey: WORDS, password: WORDS },
    'a request body': { body: { prompt: WORDS, messages: [{ role: 'user', content: WORDS }], input: [WORDS] } },
    'an answer': { choices: [{ message: { content: WORDS } }], completion: WORDS },
    'a sentence': { note: `refused ${SECRET}, sent as Bearer ${SECRET}.` },
    'another provider’s key': { note: `refused sk-${SECRET.slice(10)} and bearer ${SECRET.slice(10)}` },
    'a URL': {
      url: new URL(`http://user:${SECRET.slice(10)}@127.0.0.1/v1`),
      text: `http://${SECRET.slice(10)}@127.0.0.1/`,
    },
    'an error': { err: new Error(`bad ${SECRET}`, { cause: new HeddleError('internal', `worse ${SECRET}`) }) },
    'a parse error': { err: parseError(), cause: new Error('outer', { cause: parseError() }) },
    'a map, a set, an array': {
      map: new Map([['token', WORDS]]),
      set: new Set([SECRET]),
      list: [[SECRET], { key: WORDS }],
    },
    bytes: { bytes: Buffer.from(WORDS), view: new TextEncoder().encode(WORDS) },
    'a key of an object': { odd: { [SECRET]: 1 } },
  }
  for (const [what, given] of Object.entries(fields)) {
    it(`removes what is secret from ${what}`, () => {
      const { logger, ring, written } = started()
      logger.child(given).warn(given, `constant ${SECRET}`)
      const line = written()
      assert.match(line, /"level":"warn"/)
      assertNothingSecret(line)
      assertNothingSecret(inspect(ring.recent(), { depth: 20 }))
    })
  }

  it('removes a key wherever a string holds it', () => {
    const { logger, written } = started()
    fc.assert(
      fc.property(fc.string(), fc.string(), fc.string({ minLength: 1 }), (before, after, name) => {
        // A letter right after the key would belong to it.
        logger.info({ [name]: `${before}${SECRET} ${after}` }, 'seen')
        assertNothingSecret(written())
      }),
    )
  })

  it('keeps what is not secret', () => {
    const { logger, ring, written } = started()
    const kept = {
      requestId: 'req_1',
      keyId: 'key_1',
      inputTokens: 3,
      model: 'qwen3:8b',
      ok: true,
      none: null,
      big: 2n ** 64n,
    }
    logger.info(kept, 'request done')
    const line = JSON.parse(written()) as Record<string, unknown>
    assert.deepEqual(
      { ...line, time: 0 },
      { ...kept, big: '18446744073709551616', level: 'info', time: 0, msg: 'request done' },
    )
    assert.deepEqual(ring.recent(), [line])
    assert.match(String(line['time']), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)
  })

  it('tells an error’s type, code, causes and frames', () => {
    const { logger, written } = started()
    logger.error({ err: new HeddleError('timeout', 'too late', { cause: new TypeError('inner') }) }, 'failed')
    const { err } = JSON.parse(written()) as { err: Record<string, unknown> }
    assert.deepEqual([err['type'], err['code'], err['message']], ['HeddleError', 'timeout', 'too late'])
    assert.match(String(err['stack']), /pino-logger\.test\.ts/)
    assert.equal((err['cause'] as Record<string, unknown>)['type'], 'TypeError')
  })

  it('survives loops, depth and length', () => {
    const { logger, written } = started()
    const loop: Record<string, unknown> = { text: 'x'.repeat(100_000), list: Array.from({ length: 10_000 }, () => 1) }
    loop['self'] = loop
    const error = new Error('loop')
    error.cause = error
    logger.info({ loop, error }, 'seen')
    assert(written().length < 200_000)
  })

  it('changes its level while it runs, for children too', () => {
    const { logger, setLevel, level, written } = started({ level: 'info' })
    const child = logger.child({ component: 'gateway' })
    child.debug({}, 'one')
    setLevel('debug')
    child.debug({}, 'two')
    setLevel('error')
    child.warn({}, 'three')
    assert.equal(level(), 'error')
    const lines = written().trim().split('\n')
    assert.deepEqual(
      lines.map((line) => (JSON.parse(line) as { msg: string }).msg),
      ['two'],
    )
    assert.match(lines[0] ?? '', /"component":"gateway"/)
  })

  it('writes for people where asked', () => {
    const { logger, written } = started({ format: 'pretty' })
    logger.warn({ model: 'qwen3:8b', note: SECRET }, 'model slow')
    const line = written()
    assert.match(line, /WARN.*model slow.*qwen3:8b/)
    assertNothingSecret(line)
  })

  it('writes to standard error, and survives one that is closed', () => {
    const program = `
      import { startLogger } from ${JSON.stringify(join(import.meta.dirname, 'pino-logger.ts'))}
      import { closeSync } from 'node:fs'
      const { logger, flush } = startLogger({ level: 'info', format: 'auto' })
      logger.info({ place: 1 }, 'first')
      flush()
      closeSync(2)
      for (let n = 0; n < 100; n++) logger.info({}, 'into the void')
      flush()
      setTimeout(() => { console.log('alive') }, 50)`
    const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module-typescript', '-e', program], {
      encoding: 'utf8',
      timeout: 20_000,
    })
    assert.match(stderr, /"msg":"first"/)
    assert.equal(stdout.trim(), 'alive')
  })
})

describe('LogRing', () => {
  const line = (place: number, level = 'info', requestId?: string): string =>
    JSON.stringify({ level, time: '2026-01-01T00:00:00.000Z', requestId, msg: `m${place}` })
  const messages = (ring: LogRing, filter?: Parameters<LogRing['recent']>[0]) =>
    ring.recent(filter).map(({ msg }) => msg)

  it('keeps the newest, oldest first', () => {
    const ring = new LogRing(3)
    for (let place = 0; place < 5; place++) ring.push(line(place))
    assert.deepEqual(messages(ring), ['m2', 'm3', 'm4'])
    assert.deepEqual(messages(ring, { limit: 2 }), ['m3', 'm4'])
  })

  it('holds as many as its bound by default', () => {
    const ring = new LogRing()
    for (let place = 0; place < limit('logRingItems') + 10; place++) ring.push(line(place))
    assert.equal(ring.recent().length, limit('logRingItems'))
  })

  it('filters by level and request', () => {
    const ring = new LogRing(10)
    ring.push(line(0, 'debug', 'r1'))
    ring.push(line(1, 'warn', 'r1'))
    ring.push(line(2, 'error', 'r2'))
    assert.deepEqual(messages(ring, { level: 'warn' }), ['m1', 'm2'])
    assert.deepEqual(messages(ring, { requestId: 'r1' }), ['m0', 'm1'])
  })

  it('tells subscribers of each record until they leave', () => {
    const ring = new LogRing(2)
    const seen: string[] = []
    const leave = ring.subscribe(({ msg }) => seen.push(msg))
    ring.push(line(0))
    leave()
    ring.push(line(1))
    assert.deepEqual(seen, ['m0'])
  })
})
