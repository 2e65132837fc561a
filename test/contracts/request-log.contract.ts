/** What every RequestLog promises. */
import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import { asKeyId, asRequestId, asUnixMs } from '../../src/core/ids.ts'
import type { RequestLog, RequestRecord } from '../../src/ports/request-log.ts'

/** A record of the request that came `place` milliseconds after a fixed time; ids sort by age, as real ones do. */
export function sampleRecord(place: number, changes: Partial<RequestRecord> = {}): RequestRecord {
  return {
    id: asRequestId(`req_${String(place).padStart(24, '0')}`),
    at: asUnixMs(1_767_225_600_000 + place),
    endpoint: '/v1/chat/completions',
    model: 'qwen3:8b',
    keyId: asKeyId('key_a'),
    stream: true,
    status: 200,
    outcome: 'ok',
    node: 'node-a',
    runtime: 'openai:http://127.0.0.1:8000',
    candidates: 2,
    exclusions: [{ node: 'node-b', runtime: 'llama', reason: 'not_ready' }],
    attempts: [
      { node: 'node-a', runtime: 'llama', connector: 'local', startedMs: 0.25, endedMs: 1.5, outcome: 'timeout' },
      { node: 'node-a', runtime: 'openai', connector: 'local', startedMs: 1.5, endedMs: 80, outcome: 'ok' },
    ],
    inputTokens: 12,
    outputTokens: 345,
    firstByteMs: 7.125,
    durationMs: 80.5,
    finishReason: 'stop',
    ...changes,
  }
}

const REFUSED: Partial<RequestRecord> = {
  keyId: undefined,
  stream: false,
  status: 404,
  outcome: 'model_not_found',
  node: undefined,
  runtime: undefined,
  candidates: 0,
  exclusions: [],
  attempts: [],
  inputTokens: undefined,
  outputTokens: undefined,
  firstByteMs: undefined,
  finishReason: undefined,
}

/** `open` gives an empty log each time. */
export function requestLogContract(name: string, open: (t: TestContext) => Promise<RequestLog>): void {
  describe(`${name} as a RequestLog`, () => {
    it('gives back what was appended, whole and with nothing known', async (t) => {
      await using log = await open(t)
      const served = sampleRecord(1)
      const refused = sampleRecord(2, REFUSED)
      log.append(served)
      log.append(refused)
      await log.flush()
      assert.deepEqual(await log.find(served.id), served)
      assert.deepEqual(await log.find(refused.id), refused)
      assert.equal(await log.find(asRequestId('req_none')), undefined)
    })

    it('shows what was appended before without being told to flush', async (t) => {
      await using log = await open(t)
      log.append(sampleRecord(1))
      assert.notEqual(await log.find(sampleRecord(1).id), undefined)
      log.append(sampleRecord(2))
      assert.equal((await log.latest({ limit: 10 })).length, 2)
    })

    it('lists the newest first, filtered and bounded', async (t) => {
      await using log = await open(t)
      for (const place of [3, 1, 4, 2]) log.append(sampleRecord(place, place % 2 === 0 ? REFUSED : { model: 'tiny' }))
      const places = async (query: Parameters<RequestLog['latest']>[0]): Promise<number[]> =>
        (await log.latest(query)).map(({ at }) => at - sampleRecord(0).at)
      assert.deepEqual(await places({ limit: 10 }), [4, 3, 2, 1])
      assert.deepEqual(await places({ limit: 2 }), [4, 3])
      assert.deepEqual(await places({ limit: 10, before: sampleRecord(3).at }), [2, 1])
      assert.deepEqual(await places({ limit: 10, model: 'tiny' }), [3, 1])
      assert.deepEqual(await places({ limit: 10, outcome: 'model_not_found' }), [4, 2])
      assert.deepEqual(await places({ limit: 10, model: 'tiny', outcome: 'model_not_found' }), [])
    })

    it('prunes by age', async (t) => {
      await using log = await open(t)
      for (const place of [1, 2, 3, 4]) log.append(sampleRecord(place))
      assert.equal(await log.prune(sampleRecord(3).at, 100), 2)
      assert.deepEqual(
        (await log.latest({ limit: 10 })).map(({ id }) => id),
        [sampleRecord(4).id, sampleRecord(3).id],
      )
    })

    it('prunes all but the newest', async (t) => {
      await using log = await open(t)
      for (const place of [1, 2, 3, 4]) log.append(sampleRecord(place))
      assert.equal(await log.prune(asUnixMs(0), 4), 0)
      assert.equal(await log.prune(asUnixMs(0), 1), 3)
      assert.deepEqual(await log.latest({ limit: 10 }), [sampleRecord(4)])
      assert.equal(await log.prune(asUnixMs(0), 0), 1)
      assert.deepEqual(await log.latest({ limit: 10 }), [])
    })

    it('keeps names as they are, whatever characters they hold', async (t) => {
      await using log = await open(t)
      const odd = sampleRecord(1, { model: `'"\\\u0001\n;--é😀`, finishReason: '' })
      log.append(odd)
      assert.deepEqual(await log.find(odd.id), odd)
    })
  })
}
