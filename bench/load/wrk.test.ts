/** Tests of reading wrk's result. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { parseWrk } from './wrk.ts'

const LINE = 'RESULT requests=4000 micros=2000000 bytes=99 status=1 connect=2 read=3 write=4 timeout=5 p50=400 p99=2500'

describe('parseWrk', () => {
  it('finds the result line and adds all kinds of errors up', () => {
    assert.deepEqual(parseWrk(`Running 2s test\n${LINE}\nRequests/sec: 1\n`), {
      requests: 4000,
      requestsPerSecond: 2000,
      p50Ms: 0.4,
      p99Ms: 2.5,
      bytes: 99,
      errors: 15,
    })
  })

  it('refuses output without a result and a result without a field', () => {
    assert.throws(() => parseWrk('unable to connect'), /no result/)
    assert.throws(() => parseWrk(LINE.replace('p99=2500', '')), /p99/)
  })
})
