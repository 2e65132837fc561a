/** Tests of the head of an answer: what is kept, how the end of the body is found, what is refused, in whatever pieces it comes. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { limit } from '../../../core/limits.ts'
import { INCOMPLETE, MALFORMED } from './octets.ts'
import { PartialHead } from './partial-head.ts'
import { ResponseHead } from './response-head.ts'

/** Parses whole, then byte by byte, and wants the same of both. */
function parse(text: string): { readonly at: number; readonly head: ResponseHead } {
  const bytes = Buffer.from(text, 'latin1')
  const head = new ResponseHead()
  const at = head.parse(bytes, 0, bytes.length)
  const slow = new ResponseHead()
  const partial = new PartialHead()
  let slowAt: number = INCOMPLETE
  for (let index = 0; index < bytes.length && slowAt === INCOMPLETE; index += 1) {
    slowAt = partial.add(slow, bytes, index, index + 1)
  }
  if (at !== MALFORMED) assert.equal(slowAt, at, text)
  else assert.equal(slowAt, MALFORMED, text)
  if (at > 0) assert.deepEqual(Object.entries(slow), Object.entries(head))
  return { at, head }
}

const answer = (...lines: string[]): string => `HTTP/1.1 200 OK\r\n${lines.map((line) => `${line}\r\n`).join('')}\r\n`

describe('the head of an answer', () => {
  it('keeps what a gateway needs, in lower case and without blanks around', () => {
    const text = answer(
      'Content-TYPE: \t text/plain; charset=utf-8 \t',
      'Date: today',
      'Retry-After: 1',
      'retry-after: 2',
      'X-Served-By:gpu',
      'X-Empty:',
      'set-cookie: secret',
      `x-long: ${'l'.repeat(257)}`,
    )
    const { at, head } = parse(text)
    assert.equal(at, text.length)
    assert.equal(head.status, 200)
    assert.deepEqual(head.headers, {
      'content-type': 'text/plain; charset=utf-8',
      'retry-after': '1, 2',
      'x-served-by': 'gpu',
      'x-empty': '',
    })
  })

  it('drops an extension that comes twice, or three times, and keeps sixteen', () => {
    assert.deepEqual(parse(answer('x-a: 1', 'X-A: 2', 'x-b: 3', 'x-a: 4')).head.headers, { 'x-b': '3' })
    const many = Array.from({ length: 30 }, (_, index) => `x-${index}: a`)
    assert.equal(Object.keys(parse(answer(...many)).head.headers).length, 16)
  })

  it('finds out how the body ends and whether the connection stays', () => {
    const seen = (...lines: string[]): unknown[] => {
      const { at, head } = parse(answer(...lines))
      assert.ok(at > 0, lines.join())
      return [head.contentLength, head.isChunked, head.persists, head.idleSeconds]
    }
    assert.deepEqual(seen(), [-1, false, true, -1])
    assert.deepEqual(seen('content-length: 007'), [7, false, true, -1])
    assert.deepEqual(seen('Transfer-Encoding: Chunked'), [-1, true, true, -1])
    assert.deepEqual(seen('connection: close'), [-1, false, false, -1])
    assert.deepEqual(seen('connection: keep-alive, CLOSE'), [-1, false, false, -1])
    assert.deepEqual(seen('connection: keep-alive', 'keep-alive: timeout=5, max=10'), [-1, false, true, 5])
    assert.deepEqual(seen('keep-alive: max=10, TIMEOUT=7'), [-1, false, true, 7])
    assert.deepEqual(seen('keep-alive: xtimeout=7'), [-1, false, true, -1])
    const both = parse(answer('content-length: 5', 'transfer-encoding: chunked')).head
    assert.deepEqual([both.contentLength, both.isChunked, both.persists], [-1, true, false])
    assert.equal(both.headers['content-length'], undefined)
    assert.equal(parse('HTTP/1.0 200 OK\r\n\r\n').head.persists, false)
    assert.equal(parse('HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\n\r\n').head.persists, true)
    for (const [value, isEncoded] of [
      ['gzip', true],
      ['Identity', false],
      ['', false],
    ] as const)
      assert.equal(parse(answer(`content-encoding: ${value}`)).head.isEncoded, isEncoded)
  })

  it('never takes a connection back that one of several fields wants closed', () => {
    assert.equal(parse(answer('connection: close', 'connection: keep-alive')).head.persists, false)
  })

  it('waits for the rest of every beginning, and stops at the end of the head', () => {
    const text = answer('content-length: 2', 'x-a: b')
    const head = new ResponseHead()
    for (let length = 0; length < text.length; length += 1) {
      assert.equal(head.parse(Buffer.from(text), 0, length), INCOMPLETE, text.slice(0, length))
    }
    assert.equal(head.parse(Buffer.from(`${text}HTTP/1.1 200`), 0, text.length + 12), text.length)
  })

  it('refuses everything doubtful, whole and byte by byte', () => {
    const wrong = [
      'SSH-2.0-OpenSSH_9.9\r\n',
      '\r\nHTTP/1.1 200 OK\r\n\r\n',
      'HTTP/1.2 200 OK\r\n\r\n',
      'HTTP/2.0 200 OK\r\n\r\n',
      'http/1.1 200 OK\r\n\r\n',
      'HTTP/1.1  200 OK\r\n\r\n',
      'HTTP/1.1 99 Low\r\n\r\n',
      'HTTP/1.1 600 High\r\n\r\n',
      'HTTP/1.1 2000 Long\r\n\r\n',
      'HTTP/1.1 2x0 OK\r\n\r\n',
      'HTTP/1.1 200 O\0K\r\n\r\n',
      'HTTP/1.1 200 OK\n\n',
      'HTTP/1.1 200 OK\rX\r\n\r\n',
      'HTTP/1.0 100 Continue\r\n\r\n',
      'HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n',
      answer('no colon'),
      answer(': empty'),
      answer('a : b'),
      answer('a\t: b'),
      answer(' folded: x'),
      answer('a: b', ' folded'),
      answer('ä: b'),
      answer('a: b\0'),
      answer('a: b\x7f'),
      answer('a: b\rc'),
      answer('a: b\nc: d'),
      answer('content-length: 1', 'content-length: 1'),
      answer('content-length: 1', 'content-length: 2'),
      answer('content-length: 1, 1'),
      answer('content-length: -1'),
      answer('content-length: +1'),
      answer('content-length: 0x1'),
      answer('content-length: 1 1'),
      answer('content-length:'),
      answer('content-length: 1234567890123456'),
      answer('transfer-encoding: gzip, chunked'),
      answer('transfer-encoding: identity'),
      answer('transfer-encoding: chunked', 'transfer-encoding: chunked'),
      answer('transfer-encoding: xchunked'),
      answer('transfer-encoding:'),
      answer(...Array.from({ length: limit('headerFields') + 1 }, () => 'a: b')),
      answer(`a: ${'b'.repeat(limit('headerBytes'))}`),
      `HTTP/1.1 200 ${'K'.repeat(limit('headerBytes'))}\r\n\r\n`,
    ]
    for (const text of wrong) {
      const { at, head } = parse(text)
      assert.equal(at, MALFORMED, JSON.stringify(text.slice(0, 80)))
      assert.notEqual(head.problem, '')
    }
    assert.ok(parse(answer(...Array.from({ length: limit('headerFields') }, () => 'a: b'))).at > 0)
  })
})
