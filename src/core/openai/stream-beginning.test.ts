/** A role alone is no answer yet. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { beginningOf } from './stream-beginning.ts'

const event = (choice: unknown): string => `data: ${JSON.stringify({ choices: [choice] })}\n\n`

describe('beginningOf', () => {
  it('waits for more than a role', () => {
    assert.equal(beginningOf(''), 'nothing')
    assert.equal(beginningOf(': ping\n\n'), 'nothing')
    assert.equal(beginningOf(event({ delta: { role: 'assistant' } })), 'nothing')
    assert.equal(
      beginningOf(
        event({ delta: { role: 'assistant', content: '', tool_calls: [], refusal: null }, finish_reason: null }),
      ),
      'nothing',
    )
    assert.equal(beginningOf(event({ text: '' })), 'nothing')
    assert.equal(beginningOf('data: {"choices":[],"usage":null}\n\n'), 'nothing')
  })

  it('takes content, reasoning, tool calls, text and an end for an answer', () => {
    for (const delta of [
      { content: 'a' },
      { reasoning_content: 'b' },
      { tool_calls: [{ index: 0 }] },
      { refusal: 'no' },
    ]) {
      assert.equal(beginningOf(event({ delta: { role: 'assistant' } }) + event({ delta })), 'something')
    }
    assert.equal(beginningOf(event({ text: 'x' })), 'something')
    assert.equal(beginningOf(event({ delta: {}, finish_reason: 'stop' })), 'something')
  })

  it('knows garbage', () => {
    assert.equal(beginningOf('data: {oops\n\n'), 'garbage')
    assert.equal(beginningOf(`${event({ text: 'x' })}data: oops\n\n`), 'something')
  })

  it('holds nothing back that it does not understand', () => {
    assert.equal(beginningOf('data: {"object":"something.else"}\n\n'), 'something')
  })
})
