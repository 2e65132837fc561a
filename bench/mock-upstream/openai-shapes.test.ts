/** Tests of the sizes and shapes that the mock promises. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { CHUNKS_PER_STREAM, chatRequest, chunkMeaning, jsonAnswer } from './openai-shapes.ts'

describe('the mock upstream', () => {
  it('answers 700 bytes of valid JSON', () => {
    assert.equal(Buffer.byteLength(jsonAnswer()), 700)
    assert.equal((JSON.parse(jsonAnswer()) as { object: string }).object, 'chat.completion')
    assert.doesNotMatch(jsonAnswer(), /['$;]/) // it stands inside an nginx string
  })

  it('asks 1 KB, streamed or not', () => {
    assert.equal(Buffer.byteLength(chatRequest('bench-json', false)), 1024)
    assert.equal(Buffer.byteLength(chatRequest('bench-paced', true)), 1024)
  })

  it('gives every chunk a meaning of its own', () => {
    const all = Array.from({ length: CHUNKS_PER_STREAM }, (_, index) => JSON.stringify(chunkMeaning(index)))
    assert.equal(new Set(all).size, CHUNKS_PER_STREAM)
  })
})
