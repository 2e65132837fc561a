/** Tests of errors at the command line: their form, their exit codes, their wording for people who came through npm. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { ERROR_CODES, type ErrorCode, HeddleError } from '../core/errors.ts'
import { apiError } from './api-client.ts'
import { asTyped, commandName } from './command-name.ts'
import { errorDocument, errorLines } from './error-text.ts'
import { EXIT, exitCodeOf } from './exit-codes.ts'
import { wantsColour } from './terminal.ts'

const plain = { env: {}, stacks: false }
const npm = { npm_lifecycle_event: 'heddle', npm_package_name: 'heddle' }

describe('errorLines', () => {
  it('say what failed, its code, and what to type', () => {
    const error = new HeddleError('port_in_use', 'port 11440 is in use by "node" (pid 2210)', {
      fix: 'heddle up --listen 127.0.0.1:11442\nor stop that process',
    })
    assert.deepEqual(errorLines(error, plain), [
      'error: port 11440 is in use by "node" (pid 2210)  [port_in_use]',
      '  try: heddle up --listen 127.0.0.1:11442',
      '       or stop that process',
    ])
  })

  it('add what the system said, and nothing of other causes', () => {
    const system = Object.assign(new Error('connect ECONNREFUSED 127.0.0.1:9'), {
      code: 'ECONNREFUSED',
      syscall: 'connect',
    })
    assert.deepEqual(errorLines(new HeddleError('daemon_down', 'no node answers', { cause: system }), plain), [
      'error: no node answers  [daemon_down]',
      '  connect ECONNREFUSED 127.0.0.1:9',
    ])
    const other = new HeddleError('config_invalid', 'wrong', { cause: new Error('password hunter2') })
    assert.doesNotMatch(errorLines(other, plain).join('\n'), /hunter2/)
  })

  it('show stacks only when asked', () => {
    const bug = new TypeError('x is not a function')
    const text = errorLines(bug, plain).join('\n')
    assert.match(text, /\[internal\]\n {2}TypeError: x is not a function\n {2}try: /)
    assert.doesNotMatch(text, /errors\.test\.ts/)
    assert.match(errorLines(bug, { ...plain, stacks: true }).join('\n'), /errors\.test\.ts/)
  })

  it('never let a text drive the terminal', () => {
    assert.equal(errorLines(new HeddleError('not_found', 'no \u001B[31m\u0007x'), plain)[0], 'error: no x  [not_found]')
  })

  it('name commands as the person types them', () => {
    const error = new HeddleError('daemon_down', 'the node is not running', { fix: 'heddle up' })
    assert.equal(errorLines(error, { env: npm, stacks: false })[1], '  try: npm run -s heddle -- up')
    assert.equal(commandName({ npm_lifecycle_event: 'test', npm_package_name: 'heddle' }), 'heddle')
    assert.equal(asTyped('or  heddle runtimes add <url>', npm), 'or  npm run -s heddle -- runtimes add <url>')
    assert.equal(asTyped('  heddle 0.1.0 is heddle itself', npm), '  heddle 0.1.0 is heddle itself')
    assert.equal(asTyped('nothing; try: heddle netcheck', npm), 'nothing; try: npm run -s heddle -- netcheck')
    assert.equal(asTyped('heddle down && heddle up', npm), 'npm run -s heddle -- down && npm run -s heddle -- up')
  })

  it('are one document for programs', () => {
    assert.deepEqual(
      errorDocument(new HeddleError('not_found', 'no such key', { param: 'id', fix: 'heddle keys ls' })),
      {
        schema: 'heddle.error/v1',
        error: { code: 'not_found', message: 'no such key', param: 'id', fix: 'heddle keys ls' },
      },
    )
  })
})

describe('exit codes', () => {
  it('are these for these errors', () => {
    const table: Partial<Record<ErrorCode, number>> = {
      internal: 1,
      port_in_use: 1,
      conflict: 1,
      state_corrupt: 1,
      usage: 2,
      invalid_request: 2,
      unsupported_parameter: 2,
      context_length_exceeded: 2,
      daemon_down: 3,
      invalid_api_key: 4,
      insufficient_scope: 4,
      model_not_allowed: 4,
      not_found: 5,
      model_not_found: 5,
      no_capacity: 6,
      no_route: 6,
      queue_full: 6,
      runtime_unavailable: 6,
      model_loading: 6,
      draining: 6,
      insufficient_credits: 7,
      upstream_failed: 8,
      download_failed: 8,
      digest_mismatch: 9,
      gguf_invalid: 9,
      config_invalid: 10,
      insecure_file_mode: 10,
      timeout: 12,
      request_timeout: 12,
    }
    for (const [code, exit] of Object.entries(table)) assert.equal(exitCodeOf(code as ErrorCode), exit, code)
  })

  it('are never 0, nor 3 for anything but an absent node', () => {
    for (const code of Object.keys(ERROR_CODES) as ErrorCode[]) {
      assert.notEqual(exitCodeOf(code), EXIT.ok, code)
      if (code !== 'daemon_down') assert.notEqual(exitCodeOf(code), EXIT.daemonDown, code)
    }
  })
})

describe('apiError', () => {
  it('is the error that the node sent, with what mends it', () => {
    const body = {
      error: {
        message: 'no model "x"',
        type: 'invalid_request_error',
        param: 'model',
        code: 'model_not_found',
        metadata: { fix: 'heddle models ls' },
      },
    }
    const error = apiError(404, JSON.stringify(body))
    assert.equal(error.code, 'model_not_found')
    assert.equal(error.details.fix, 'heddle models ls')
  })

  it('survives codes of a newer node and answers of other programs', () => {
    const newer = apiError(418, JSON.stringify({ error: { message: 'short and stout', code: 'teapot' } }))
    assert.equal(newer.message, 'short and stout (teapot)')
    assert.match(apiError(502, '<html>').message, /no heddle node \(HTTP 502\)/)
  })
})

describe('wantsColour', () => {
  it('follows NO_COLOR, FORCE_COLOR, TERM, CI and what the output is', () => {
    const sink = (isTTY: boolean) => ({ isTTY, write: () => true })
    assert.equal(wantsColour(sink(true), {}), true)
    assert.equal(wantsColour(sink(false), {}), false)
    assert.equal(wantsColour(sink(true), { NO_COLOR: '1' }), false)
    assert.equal(wantsColour(sink(true), { NO_COLOR: '' }), true)
    assert.equal(wantsColour(sink(false), { FORCE_COLOR: '1' }), true)
    assert.equal(wantsColour(sink(true), { FORCE_COLOR: '0' }), false)
    assert.equal(wantsColour(sink(true), { TERM: 'dumb' }), false)
    assert.equal(wantsColour(sink(true), { CI: 'true' }), false)
  })
})
