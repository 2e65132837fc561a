/** Only what is beyond doubt is read without Node's parser. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { leanRequestOf } from './lean-request.ts'

const BODY = '{"model":"m"}'
const FIELDS = ['Host: localhost', 'Content-Type: application/json', `Content-Length: ${BODY.length}`]

function request(fields: readonly string[] = FIELDS, line = 'POST /v1/chat/completions HTTP/1.1', body = BODY): Buffer {
  return Buffer.from(`${[line, ...fields].join('\r\n')}\r\n\r\n${body}`, 'latin1')
}

describe('leanRequestOf', () => {
  it('reads a plain request', () => {
    const lean = leanRequestOf(request([...FIELDS, 'X-Odd:  spaced value\t', 'Connection: Keep-Alive', 'X-Empty:']))
    assert.equal(lean?.endpoint, 'chat')
    assert.equal(lean?.headers['x-odd'], 'spaced value')
    assert.equal(lean?.headers['x-empty'], '')
    assert.equal(lean?.body.toString(), BODY)
  })

  it('leaves everything unusual to the full parser', () => {
    const without = (name: string): string[] => FIELDS.filter((field) => !field.startsWith(name))
    const cases: Readonly<Record<string, Buffer>> = {
      'another method': request(FIELDS, 'GET /v1/chat/completions HTTP/1.1'),
      'another path': request(FIELDS, 'POST /v1/models HTTP/1.1'),
      'a query': request(FIELDS, 'POST /v1/chat/completions?x=1 HTTP/1.1'),
      'another version': request(FIELDS, 'POST /v1/chat/completions HTTP/1.0'),
      'two spaces': request(FIELDS, 'POST  /v1/chat/completions HTTP/1.1'),
      'no host': request(without('Host')),
      'two hosts': request([...FIELDS, 'host: b']),
      'no length': request(without('Content-Length')),
      'two lengths': request([...FIELDS, 'content-length: 3']),
      'a list of lengths': request([...without('Content-Length'), `Content-Length: ${BODY.length}, ${BODY.length}`]),
      'a signed length': request([...without('Content-Length'), `Content-Length: +${BODY.length}`]),
      'a coding': request([...FIELDS, 'Transfer-Encoding: chunked']),
      'an expectation': request([...FIELDS, 'Expect: 100-continue']),
      'an upgrade': request([...FIELDS, 'Upgrade: h2c']),
      'a closing connection': request([...FIELDS, 'Connection: close']),
      'a space before the colon': request([...FIELDS, 'X-A : b']),
      'a folded field': request([...FIELDS, 'X-A: b', ' c']),
      'a bare line feed': request([...FIELDS, 'X-A: b\nX-B: c']),
      'a bare carriage return': request([...FIELDS, 'X-A: b\rX-B: c']),
      'a NUL': request([...FIELDS, 'X-A: b\0c']),
      'an empty name': request([...FIELDS, ': b']),
      'a part of the body': request().subarray(0, -1),
      'more than the body': Buffer.concat([request(), Buffer.from('x')]),
      'half a head': request().subarray(0, 40),
      nothing: Buffer.alloc(0),
    }
    for (const [what, bytes] of Object.entries(cases)) assert.equal(leanRequestOf(bytes), undefined, what)
  })

  it('is not misled by a name that objects have anyway', () => {
    assert.equal(leanRequestOf(request([...FIELDS, '__proto__: x', 'constructor: y']))?.headers['constructor'], 'y')
  })

  it('survives any bytes and any change of a plain request', () => {
    fc.assert(
      fc.property(fc.nat(request().length - 1), fc.nat(255), fc.uint8Array({ maxLength: 64 }), (at, byte, noise) => {
        const bytes = request()
        bytes[at] = byte
        const lean = leanRequestOf(bytes)
        if (lean !== undefined) assert.equal(lean.body.length, BODY.length)
        leanRequestOf(Buffer.from(noise))
      }),
    )
  })
})
