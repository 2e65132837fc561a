/** Tests of error answers. */
import assert from 'node:assert/strict'
import { Buffer } from 'node:buffer'
import { describe, it } from 'node:test'
import { ERROR_CODES, type ErrorCode, HeddleError } from '../core/errors.ts'
import { asRequestId } from '../core/ids.ts'
import { ErrorBody } from '../core/wire/error-body.ts'
import { errorReply } from './errors.ts'

const ID = asRequestId('req_x')

describe('errorReply', () => {
  it('has a body and headers for every code of the table', () => {
    for (const code of Object.keys(ERROR_CODES) as ErrorCode[]) {
      const { status, headers, body } = errorReply(new HeddleError(code, 'größe'), ID)
      const { error } = ErrorBody.parse(JSON.parse(body))
      assert.equal(status, ERROR_CODES[code].status)
      assert.deepEqual(
        [error.type, error.code, error.param, error.message],
        [ERROR_CODES[code].type, code, null, 'größe'],
      )
      assert.equal(headers['content-length'], String(Buffer.byteLength(body)))
      assert.equal(headers['x-request-id'], 'req_x')
      const retry = ERROR_CODES[code].retry !== 'never'
      assert.equal(headers['x-should-retry'], String(retry))
      assert.equal(headers['retry-after'] !== undefined, retry && (status === 429 || status === 503), code)
    }
  })

  it('passes on param, fix and facts', () => {
    const error = new HeddleError('no_capacity', 'busy', {
      param: 'model',
      fix: 'heddle status',
      metadata: { nodes: 2 },
      retryAfterMs: 1_001,
    })
    const { headers, body } = errorReply(error, ID)
    assert.deepEqual(ErrorBody.parse(JSON.parse(body)).error.metadata, { nodes: 2, fix: 'heddle status' })
    assert.deepEqual([headers['retry-after'], headers['retry-after-ms']], ['2', '1001'])
  })

  it('lets one failure overrule its code about trying again', () => {
    const { headers } = errorReply(new HeddleError('no_capacity', 'never again', { shouldRetry: false }), ID)
    assert.equal(headers['x-should-retry'], 'false')
    assert.equal(headers['retry-after'], undefined)
  })

  it('says nothing of what is not ours', () => {
    for (const error of [new Error('secret'), 'secret', { message: 'secret' }, undefined, null]) {
      const { status, body } = errorReply(error, ID)
      assert.equal(status, 500)
      assert.equal(ErrorBody.parse(JSON.parse(body)).error.code, 'internal')
      assert.doesNotMatch(body, /secret/)
    }
  })

  it('names the methods and the way to authenticate where HTTP asks for it', () => {
    const wrong = errorReply(new HeddleError('method_not_allowed', 'no', { metadata: { allow: ['GET', 'HEAD'] } }), ID)
    assert.equal(wrong.headers['allow'], 'GET, HEAD')
    assert.match(errorReply(new HeddleError('invalid_api_key', 'no'), ID).headers['www-authenticate'] ?? '', /^Bearer/)
  })
})
