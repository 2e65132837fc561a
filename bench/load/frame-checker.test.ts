/** Tests of the frame checker: every way in which a stream can be damaged must show. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { CHUNKS_PER_STREAM, chunkJson, chunkMeaning, usageJson } from '../mock-upstream/openai-shapes.ts'
import { expectedFrames, FrameChecker, readChunk } from './frame-checker.ts'

const expected = expectedFrames('bench-paced')
const frames = expected.map((json) => `data: ${json}\n\n`)
const DONE = 'data: [DONE]\n\n'

function check(parts: readonly string[]): ReturnType<FrameChecker['finish']> {
  const checker = new FrameChecker(expected)
  for (const part of parts) checker.push(part)
  return checker.finish()
}

const whole = { intact: CHUNKS_PER_STREAM, lost: 0, wrong: 0, done: true }

describe('FrameChecker', () => {
  it('finds an untouched stream intact', () => assert.deepEqual(check([...frames, DONE]), whole))

  it('does not mind where the bytes are cut', () => {
    const text = frames.join('') + DONE
    for (const size of [1, 7, 300, text.length]) {
      const parts = Array.from({ length: Math.ceil(text.length / size) }, (_, index) =>
        text.slice(index * size, (index + 1) * size),
      )
      assert.deepEqual(check(parts), whole)
    }
  })

  it('accepts comments between events and JSON written anew with other decoration', () => {
    const rewritten = frames.map((_, index) => {
      const chunk = JSON.parse(expected[index] as string) as Record<string, unknown>
      return `data: ${JSON.stringify({ provider: 'p', ...chunk, id: 'other', usage: null })}\n\n: heartbeat\n\n`
    })
    assert.deepEqual(check([...rewritten, DONE]), whole)
  })

  it('counts chunks missing in the middle', () => {
    assert.deepEqual(check([...frames.toSpliced(40, 3), DONE]), { ...whole, intact: CHUNKS_PER_STREAM - 3, lost: 3 })
  })

  it('counts chunks missing at the end, the finish among them', () => {
    assert.deepEqual(check([...frames.slice(0, -2), DONE]), { ...whole, intact: CHUNKS_PER_STREAM - 2, lost: 2 })
  })

  it('counts a doubled chunk as wrong', () => {
    assert.deepEqual(check([...frames.toSpliced(5, 0, frames[4] as string), DONE]), { ...whole, wrong: 1 })
  })

  it('counts a swapped pair as one lost and one wrong', () => {
    const swapped = frames.with(10, frames[11] as string).with(11, frames[10] as string)
    assert.deepEqual(check([...swapped, DONE]), { intact: CHUNKS_PER_STREAM - 1, lost: 1, wrong: 1, done: true })
  })

  it('counts a changed content as wrong and the chunk as lost', () => {
    const changed = frames.with(10, (frames[10] as string).replace('word010', 'word999'))
    assert.deepEqual(check([...changed, DONE]), { intact: CHUNKS_PER_STREAM - 1, lost: 1, wrong: 1, done: true })
  })

  it('notices another finish reason', () => {
    const last = CHUNKS_PER_STREAM - 1
    const verdict = check([...frames.with(last, (frames[last] as string).replace('"stop"', '"length"')), DONE])
    assert.deepEqual(verdict, { intact: last, lost: 1, wrong: 1, done: true })
  })

  it('notices a usage chunk that nobody asked for', () => {
    assert.deepEqual(check([...frames, `data: ${usageJson('bench-paced')}\n\n`, DONE]), { ...whole, wrong: 1 })
  })

  it('notices a missing, a doubled and an early [DONE]', () => {
    assert.deepEqual(check(frames), { ...whole, done: false })
    assert.equal(check([...frames, DONE, DONE]).done, false)
    assert.deepEqual(check([...frames.slice(0, -1), DONE, frames.at(-1) as string]), {
      intact: CHUNKS_PER_STREAM - 1,
      lost: 1,
      wrong: 1,
      done: true,
    })
  })

  it('notices an event cut off at the end and one that is no JSON', () => {
    assert.deepEqual(check([...frames, DONE, 'data: {"id"']), { ...whole, wrong: 1 })
    assert.deepEqual(check([...frames.toSpliced(3, 0, 'data: {oops\n\n'), DONE]), { ...whole, wrong: 1 })
  })

  it('notices an error event in the stream', () => {
    const broken = [...frames.slice(0, 50), 'data: {"error":{"message":"gone"}}\n\n']
    assert.deepEqual(check(broken), { intact: 50, lost: CHUNKS_PER_STREAM - 50, wrong: 1, done: false })
  })
})

describe('readChunk', () => {
  it('reads back what the mock says', () => {
    for (const index of [0, 1, CHUNKS_PER_STREAM - 1])
      assert.deepEqual(readChunk(chunkJson('bench-burst', index)), chunkMeaning(index))
  })

  it('refuses other objects, more choices and other types', () => {
    assert.equal(readChunk('null'), undefined)
    assert.equal(readChunk('{"object":"chat.completion.chunk","choices":{}}'), undefined)
    assert.equal(
      readChunk('{"object":"chat.completion.chunk","choices":[{"index":0,"delta":{"content":5}}]}'),
      undefined,
    )
    assert.equal(readChunk('{"object":"chat.completion.chunk","choices":[{"index":0},{"index":1}]}'), undefined)
  })
})
