/** Tests of the HTTP reader of the streaming client. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { ResponseReader } from './response-reader.ts'

const HEAD = 'HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n'

function read(text: string, size: number): { text: string; ended: boolean; reader: ResponseReader } {
  const reader = new ResponseReader()
  let body = ''
  let ended = false
  for (let at = 0; at < text.length; at += size) {
    const step = reader.push(text.slice(at, at + size))
    body += step.text
    ended = step.ended
  }
  return { text: body, ended, reader }
}

describe('ResponseReader', () => {
  const answer = `${HEAD}5\r\nhello\r\nc;name=value\r\n\r\n\r\n wor\r\nld\r\n0\r\nx-trailer: 1\r\n\r\n`

  it('gives the body whatever the cuts', () => {
    for (const size of [1, 2, 3, 10, 1000]) {
      const { text, ended } = read(answer, size)
      assert.equal(text, 'hello\r\n\r\n wor\r\nld')
      assert.equal(ended, true)
    }
  })

  it('is not at the end before the last chunk', () => assert.equal(read(answer.slice(0, -2), 4).ended, false))

  it('sees that the server will close', () => {
    assert.equal(read(HEAD, 1000).reader.closes, false)
    assert.equal(read(HEAD.replace('\r\n\r\n', '\r\nConnection: close\r\n\r\n'), 1000).reader.closes, true)
  })

  it('refuses another status, an unchunked body, a wrong size and bytes after the end', () => {
    assert.throws(() => read('HTTP/1.1 503 Busy\r\ntransfer-encoding: chunked\r\n\r\n', 9), /status 503/)
    assert.throws(() => read('HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\n', 9), /not chunked/)
    assert.throws(() => read(`${HEAD}zz\r\n`, 9), /chunk size/)
    assert.throws(() => read(`${HEAD}2\r\nhello\r\n`, 9), /longer/)
    assert.throws(() => read(`${answer}HTTP`, 1000), /after the end/)
  })
})
