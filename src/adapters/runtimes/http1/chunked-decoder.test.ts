/** Tests of the chunked coding: every cut of every body, and what is refused. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { limit } from '../../../core/limits.ts'
import { ChunkedDecoder } from './chunked-decoder.ts'
import { MALFORMED } from './octets.ts'

interface Decoded {
  readonly content: string
  readonly isDone: boolean
  /** Bytes behind the end of the body. */
  readonly left: string
  readonly problem: string | undefined
}

function decode(text: string, pieceBytes: number): Decoded {
  const decoder = new ChunkedDecoder()
  decoder.reset()
  const all = Buffer.from(text, 'latin1')
  let content = ''
  for (let start = 0; start < all.length; start += pieceBytes) {
    // The decoder moves bytes about, so each piece stands in a buffer of its own, between bytes that are none of its business.
    const end = Math.min(start + pieceBytes, all.length)
    const piece = Buffer.concat([Buffer.from('##'), all.subarray(start, end), Buffer.from('##')])
    const at = decoder.decode(piece, 2, piece.length - 2)
    content += piece.toString('latin1', decoder.contentStart, decoder.contentEnd)
    assert.equal(piece.toString('latin1', 0, 2) + piece.toString('latin1', piece.length - 2), '####')
    if (at === MALFORMED) return { content, isDone: false, left: '', problem: decoder.problem }
    if (decoder.isDone) {
      return { content, isDone: true, left: all.toString('latin1', start + at - 2), problem: undefined }
    }
  }
  return { content, isDone: false, left: '', problem: undefined }
}

describe('the chunked decoder', () => {
  it('finds content and end of every body, in pieces of whatever size', () => {
    const chunk = fc.tuple(fc.stringMatching(/^[\r\n0-9a-z]{1,40}$/), fc.constantFrom('', ';x', ';a="\t b";c'))
    fc.assert(
      fc.property(fc.array(chunk), fc.nat(2), fc.integer({ min: 1, max: 60 }), (chunks, trailers, pieceBytes) => {
        const coded = chunks
          .map(([data, extension]) => `${data.length.toString(16)}${extension}\r\n${data}\r\n`)
          .join('')
        const text = `${coded}00;last\r\n${'a-b: c\r\n'.repeat(trailers)}\r\n`
        const expected = { content: chunks.map(([data]) => data).join(''), isDone: true, problem: undefined }
        assert.deepEqual(decode(text, pieceBytes), { ...expected, left: '' })
        assert.deepEqual(decode(`${text}HTTP/1.1 200`, 1_000_000), { ...expected, left: 'HTTP/1.1 200' })
        assert.equal(decode(text.slice(0, -1), pieceBytes).isDone, false)
      }),
    )
  })

  it('refuses what two readers could read differently, whole and byte by byte', () => {
    const wrong = [
      '\r\n',
      ';a\r\n',
      'g\r\n',
      '-1\r\n',
      '+1\r\n',
      '0x1\r\nA\r\n',
      ' 1\r\nA\r\n',
      '1 \r\nA\r\n',
      '1\nA\r\n',
      '1\rA',
      '1;a\nA',
      '1;\0\r\nA',
      '1\r\nAB',
      '1\r\nA\n',
      '1\r\nA\rB',
      '2\r\nA\r\n0\r\n\r\n',
      '0000000000001\r\nA',
      'fffffffffffff\r\nA',
      '0\r\n\rX',
      '0\r\n\n',
      '0\r\n a: b\r\n\r\n',
      '0\r\na b: c\r\n\r\n',
      '0\r\nno colon\r\n\r\n',
      '0\r\na: b\n\r\n',
      '0\r\na: \0\r\n\r\n',
    ]
    for (const text of wrong) {
      for (const pieceBytes of [1, 1000]) {
        const { problem, isDone } = decode(text, pieceBytes)
        assert.ok(problem !== undefined && problem !== '', `${JSON.stringify(text)} was read, done: ${isDone}`)
      }
    }
  })

  it('bounds extensions of a chunk and all trailers, not those of a long stream', () => {
    const bound = limit('headerBytes')
    const long = 'x'.repeat(bound)
    assert.equal(decode(`1;${long}\r\nA\r\n0\r\n\r\n`, 700).isDone, true)
    assert.match(decode(`1;${long}y\r\nA\r\n0\r\n\r\n`, 700).problem ?? '', /too large/)
    assert.match(decode(`0\r\n${'abc: def\r\n'.repeat(bound / 4)}\r\n`, 700).problem ?? '', /too large/)
    assert.equal(decode(`${`1;${'x'.repeat(100)}\r\nA\r\n`.repeat(bound / 50)}0\r\n\r\n`, 700).isDone, true)
  })
})
