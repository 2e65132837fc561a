/** Tests of addresses and redirects. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { failed, parseAddress, redirectOf } from './download-address.ts'

const refused = { code: 'download_failed' }
const secure = new URL('https://models.test/a/b.gguf')
const plain = new URL('http://models.test/a/b.gguf')

describe('parseAddress', () => {
  it('takes http and https, private addresses too', () => {
    assert.equal(parseAddress('http://10.0.0.7:8080/m.gguf').host, '10.0.0.7:8080')
    assert.equal(parseAddress('https://models.test/m.gguf').protocol, 'https:')
  })

  it('refuses other schemes, texts and credentials', () => {
    for (const text of [
      'ftp://models.test/m.gguf',
      'file:///m.gguf',
      'm.gguf',
      '',
      'data:,x',
      'https://u:p@models.test/m',
    ]) {
      assert.throws(() => parseAddress(text), refused, text)
    }
  })
})

describe('redirectOf', () => {
  it('follows relative and absolute places', () => {
    assert.equal(redirectOf(plain, '/c.gguf').href, 'http://models.test/c.gguf')
    assert.equal(redirectOf(plain, 'https://other.test/c').href, 'https://other.test/c')
    assert.equal(redirectOf(secure, 'https://other.test/c').href, 'https://other.test/c')
  })

  it('never goes from https to http, to another scheme or to nowhere', () => {
    for (const place of ['http://models.test/c', 'file:///c.gguf', 'https://u:p@other.test/', 'http://', undefined]) {
      assert.throws(() => redirectOf(secure, place), refused, place ?? 'nowhere')
    }
  })
})

describe('failed', () => {
  it('shows no query', () => {
    assert(!failed(new URL('https://models.test/m?signature=abc'), 'gone', false).message.includes('signature'))
  })
})
