/** What the provider reads is what was decided upon. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { parseInferenceRequest } from '../core/openai/parse-inference-request.ts'
import { bodyForProvider } from './provider-body.ts'

const MESSAGES = '"messages":[{"role":"user","content":"hi"}]'

function sent(text: string, isJudged: boolean): string {
  const request = parseInferenceRequest('chat', JSON.parse(text), Buffer.from(text))
  return Buffer.from(bodyForProvider(request, { isJudged })).toString('utf8')
}

describe('bodyForProvider', () => {
  it('passes the bytes of a whole answer on as they came, big numbers included', () => {
    const text = `{"model":"m", ${MESSAGES}, "seed":12345678901234, "vendor_id":123456789012345678901234}`
    assert.equal(sent(text, false), text)
  })

  it('asks for the usage of a stream and leaves the rest of the bytes alone', () => {
    const text = ` {"model":"m",${MESSAGES},"stream":true,"vendor_id":123456789012345678901234}`
    const body = sent(text, false)
    assert.equal(body.replace('"stream_options":{"include_usage":true},', ''), text)
    assert.deepEqual((JSON.parse(body) as { stream_options: unknown }).stream_options, { include_usage: true })
  })

  it('keeps other stream options', () => {
    const body = sent(`{"model":"m",${MESSAGES},"stream":true,"stream_options":{"include_usage":false,"x":1}}`, false)
    assert.deepEqual((JSON.parse(body) as { stream_options: unknown }).stream_options, { include_usage: true, x: 1 })
  })

  it('sends only the judged model where a name stands twice, however it is written', () => {
    for (const twice of ['"model":"secret","model":"allowed"', '"mod\\u0065l":"secret","model":"allowed"']) {
      for (const stream of [true, false]) {
        const body = sent(`{${twice},${MESSAGES},"stream":${stream}}`, true)
        assert.doesNotMatch(body, /secret/)
        assert.equal((JSON.parse(body) as { model: string }).model, 'allowed')
      }
    }
  })
})
