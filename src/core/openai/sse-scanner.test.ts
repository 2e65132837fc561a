/** The scanner forwards whole events byte for byte, however the network cut them, and knows how the stream ended. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { SseScanner } from './sse-scanner.ts'

const encode = (text: string): Uint8Array => new TextEncoder().encode(text)
const decode = (bytes: Uint8Array): string => new TextDecoder().decode(bytes)
const scannerOf = (keepUsage = true): SseScanner => new SseScanner({ decode, keepUsage })

const delta = (content: string): string =>
  `data: ${JSON.stringify({ id: 'c', choices: [{ index: 0, delta: { content }, finish_reason: null }], usage: null })}`
const finish = (index = 0): string =>
  `data: ${JSON.stringify({ id: 'c', choices: [{ index, delta: {}, finish_reason: 'stop' }] })}`
const USAGE = `data: ${JSON.stringify({ id: 'c', choices: [], usage: { prompt_tokens: 3, completion_tokens: 5, total_tokens: 8 } })}`

function pushAll(scanner: SseScanner, chunks: readonly Uint8Array[]): string {
  return decode(Buffer.concat(chunks.map((chunk) => scanner.push(chunk))))
}

describe('SseScanner', () => {
  it('forwards the same bytes wherever the stream is cut', () => {
    const events = fc.array(
      fc.oneof(
        fc.string({ unit: 'grapheme' }).map(delta),
        fc.constant(': ping'),
        fc.constant('event: chunk\r\ndata: {"choices":[]}'),
      ),
      { minLength: 1, maxLength: 8 },
    )
    const ending = fc.constantFrom('\n\n', '\r\n\r\n')
    fc.assert(
      fc.property(events, ending, fc.array(fc.nat(400), { maxLength: 12 }), (list, end, cuts) => {
        const text = [...list, finish()].map((event) => event + end).join('')
        const bytes = encode(text)
        const at = [0, ...cuts.map((cut) => cut % (bytes.length + 1)).sort((a, b) => a - b), bytes.length]
        const chunks = at.slice(1).map((to, index) => bytes.subarray(at[index], to))
        const scanner = scannerOf()
        assert.equal(pushAll(scanner, chunks), text)
        assert.equal(scanner.fault, undefined)
        assert.equal(scanner.finishReason, 'stop')
        assert.equal(scanner.hasRest, false)
      }),
    )
  })

  it('leaves out the usage chunk that nobody asked for, and [DONE]', () => {
    const text = `${delta('a')}\n\n${finish()}\n\n${USAGE}\n\ndata: [DONE]\n\n`
    const scanner = scannerOf(false)
    assert.equal(pushAll(scanner, [encode(text)]), `${delta('a')}\n\n${finish()}\n\n`)
    assert.deepEqual(scanner.usage, { inputTokens: 3, outputTokens: 5 })
    assert.equal(scanner.done, true)
    assert.equal(scanner.events, 3)
  })

  it('keeps the usage chunk that was asked for', () => {
    const scanner = scannerOf(true)
    assert.equal(pushAll(scanner, [encode(`${finish()}\n\n${USAGE}\n\n`)]), `${finish()}\n\n${USAGE}\n\n`)
  })

  it('is not fooled by text that looks like the keys it watches', () => {
    const scanner = scannerOf(false)
    const text = `${delta('{"usage": {"prompt_tokens":1}, "error": {"x":1}, "finish_reason": "stop"}\n\ndata: [DONE]')}\n\n`
    assert.equal(pushAll(scanner, [encode(text)]), text)
    assert.equal(scanner.finishReason, undefined)
    assert.equal(scanner.usage, undefined)
    assert.equal(scanner.fault, undefined)
    assert.equal(scanner.done, false)
  })

  it('counts every choice that ended', () => {
    const scanner = scannerOf()
    pushAll(scanner, [encode(`${finish(0)}\n\n${finish(1)}\n\n${finish(1)}\n\n`)])
    assert.equal(scanner.finishedChoices, 2)
  })

  it('stops at an error event and forwards what came before it', () => {
    for (const error of [
      'data: {"error":{"message":"boom","code":500}}',
      'event: error\ndata: {"message":"boom"}',
      'data: {"error": "boom"}',
    ]) {
      const scanner = scannerOf()
      assert.equal(pushAll(scanner, [encode(`${delta('a')}\n\n${error}\n\n${delta('b')}\n\n`)]), `${delta('a')}\n\n`)
      assert.equal(scanner.fault?.kind, 'error_event', error)
    }
  })

  it('takes "error": null for no error', () => {
    const scanner = scannerOf()
    const text = 'data: {"error": null, "choices": []}\n\n'
    assert.equal(pushAll(scanner, [encode(text)]), text)
    assert.equal(scanner.fault, undefined)
  })

  it('calls anything that is no event stream garbage', () => {
    for (const garbage of [
      '<html>\n\n',
      'data: hello\n\n',
      '{"choices":[]}\n\n',
      'data: {"finish_reason":"stop" oops\n\n',
    ]) {
      const scanner = scannerOf()
      assert.equal(pushAll(scanner, [encode(garbage)]), '', garbage)
      assert.equal(scanner.fault?.kind, 'garbage', garbage)
    }
  })

  it('does not hold an endless event', () => {
    const scanner = scannerOf()
    const chunk = encode(`data: {"x":"${'a'.repeat(1024 * 1024)}`)
    for (let index = 0; index < 6; index += 1) scanner.push(chunk)
    assert.equal(scanner.fault?.kind, 'garbage')
    assert.equal(scanner.hasRest, true)
  })

  it('survives any bytes', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 64 }), { maxLength: 8 }), (chunks) => {
        const scanner = scannerOf()
        for (const chunk of chunks) scanner.push(chunk)
      }),
    )
  })
})
