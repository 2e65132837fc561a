/** Our HTTP/1.1 client beside undici: the same answers from the same bytes, however they are cut, and never a laxer reading. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import fc from 'fast-check'
import { type RawAnswer, type RawHttpServer, rawHttpServer } from '../../../../test/support/raw-http-server.ts'
import { HeddleError } from '../../../core/errors.ts'
import { asRequestId } from '../../../core/ids.ts'
import type { MessageHeaders } from '../../../core/message.ts'
import { readWhole } from '../http-exchange.ts'
import { UndiciUpstream } from '../undici-upstream.ts'
import type { Upstream } from '../upstream.ts'
import { Http1Pool } from './pool.ts'

interface Outcome {
  readonly status?: number
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
  readonly code?: string
}

const token = fc.stringMatching(/^[a-z0-9-]{1,12}$/)
const value = fc.stringMatching(/^[!-~]([ -~]{0,20}[!-~])?$/)
const anyCase = (text: string): fc.Arbitrary<string> => fc.mixedCase(fc.constant(text))
const content = fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes))

const fields = fc
  .tuple(
    fc.uniqueArray(fc.tuple(token.map((name) => `x-${name}`).chain(anyCase), value), {
      maxLength: 4,
      selector: ([name]) => name.toLowerCase(),
    }),
    fc.subarray([
      'Content-Type: text/event-stream',
      'Retry-After: 5',
      'retry-after-ms:40',
      'Server:  mock \t',
      'Set-Cookie: a=b',
    ]),
    fc.constantFrom(
      '',
      'Connection: keep-alive',
      'Keep-Alive: timeout=5, max=100',
      'connection: close',
      'Connection: x, Close',
    ),
  )
  .map(([extensions, others, connection]) => [
    ...extensions.map(([name, value]) => `${name}: ${value}`),
    ...others,
    ...(connection === '' ? [] : [connection]),
  ])

const chunks = (extensions: readonly string[]) =>
  fc.array(
    fc.record({
      data: content.filter(({ length }) => length > 0),
      isUpper: fc.boolean(),
      zeros: fc.nat(2),
      extension: fc.constantFrom('', ...extensions),
    }),
    { maxLength: 5 },
  )

/** An answer as bytes, and whether the connection's end is the body's. */
const answerWith = (extensions: readonly string[], trailers: readonly string[]) =>
  fc
    .record({
      // Not 100, which undici refuses.
      interim: fc.subarray(['HTTP/1.1 102 Processing\r\n\r\n', 'HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n']),
      version: fc.constantFrom('HTTP/1.1', 'HTTP/1.1', 'HTTP/1.1', 'HTTP/1.0'),
      status: fc.constantFrom(
        '200 OK',
        '201 Created',
        '204 No Content',
        '304 Not Modified',
        '404 Not Found',
        '429 ',
        '503 A b-c',
      ),
      fields,
      framing: fc.constantFrom('length', 'length', 'chunked', 'chunked', 'close'),
      content,
      chunks: chunks(extensions),
      trailers: fc.constantFrom('', ...trailers),
    })
    .map((parts) => {
      const isEmpty = parts.status.startsWith('204') || parts.status.startsWith('304')
      const isOld = parts.version === 'HTTP/1.0'
      const framing = isOld && parts.framing === 'chunked' ? 'close' : parts.framing
      const lines = [`${parts.version} ${parts.status}`, ...parts.fields]
      let body: Buffer = parts.content
      if (isEmpty) body = Buffer.alloc(0)
      else if (framing === 'length') lines.push(`Content-Length: ${body.length}`)
      else if (framing === 'chunked') {
        lines.push('Transfer-Encoding: chunked')
        body = Buffer.concat([
          ...parts.chunks.flatMap(({ data, isUpper, zeros, extension }) => {
            const size = '0'.repeat(zeros) + data.length.toString(16)
            return [Buffer.from(`${isUpper ? size.toUpperCase() : size}${extension}\r\n`), data, Buffer.from('\r\n')]
          }),
          Buffer.from(`0\r\n${parts.trailers}\r\n`),
        ])
      }
      const isClosing = (framing === 'close' && !isEmpty) || isOld || /close/i.test(parts.fields.join())
      const head = Buffer.from(`${isOld ? '' : parts.interim.join('')}${lines.join('\r\n')}\r\n\r\n`)
      return { bytes: Buffer.concat([head, body]), after: isClosing ? ('end' as const) : ('keep' as const) }
    })

const TRAILERS = ['x-checksum: 1\r\n', 'a: b\r\nc: d\r\n']
const answer = answerWith([';a=b', ';a="b c"'], TRAILERS)
/** Extensions, behind `;`, we read over without looking for their parts, so there undici refuses more. */
const plainAnswer = answerWith([], TRAILERS)

/** undici leaves a tab at the end of a value, which is no part of it (RFC 9112 §5), and zeros before a length. */
function plain(headers: MessageHeaders): Record<string, string> {
  const entries = Object.entries(headers).map(([name, value]) => [
    name,
    name === 'content-length' ? String(Number(value)) : value.trim(),
  ])
  return Object.fromEntries(entries) as Record<string, string>
}

/** Cuts bytes at these places, given in thousandths. */
function cut(bytes: Buffer, places: readonly number[]): Buffer[] {
  const at = [...new Set(places.map((place) => Math.floor((place * bytes.length) / 1000)))].sort((a, b) => a - b)
  return [0, ...at].map((start, index) => bytes.subarray(start, at[index])).filter(({ length }) => length > 0)
}
const places = fc.array(fc.nat(999), { maxLength: 6 })

describe('the HTTP/1.1 client beside undici', () => {
  let server: RawHttpServer
  let script: readonly RawAnswer[] = []
  before(async () => {
    server = await rawHttpServer(({ path }) => script[Number(path.slice(1))])
  })
  after(() => server[Symbol.asyncDispose]())

  async function outcomesOf(upstream: Upstream): Promise<Outcome[]> {
    const outcomes: Outcome[] = []
    try {
      for (const index of script.keys()) outcomes.push(await outcomeOf(upstream, `/${index}`))
    } finally {
      await upstream.destroy()
    }
    return outcomes
  }
  async function outcomeOf(upstream: Upstream, path: string): Promise<Outcome> {
    const request = { id: asRequestId('req_1'), service: 'llm', method: 'GET', path, headers: {}, body: undefined }
    const { signal } = new AbortController()
    const times = { headersTimeoutMs: 10_000, bodyTimeoutMs: 10_000 }
    try {
      const { status, headers, body } = await upstream.exchange(request, { origin: server.origin, signal, ...times })
      return { status, headers: plain(headers), body: (await readWhole(body, 1e6)).toString('hex') }
    } catch (error) {
      assert.ok(error instanceof HeddleError, String(error))
      return { code: error.code }
    }
  }
  const ours = (): Promise<Outcome[]> => outcomesOf(new Http1Pool({ origin: server.origin, connections: 1 }))
  const theirs = (): Promise<Outcome[]> => outcomesOf(new UndiciUpstream({ origin: server.origin, connections: 1 }))

  it('reads the same from every sequence of answers, however it is cut', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(answer, places), { minLength: 1, maxLength: 4 }), async (answers) => {
        script = answers.map(([{ bytes, after }, at]) => ({ pieces: cut(bytes, at), after }))
        const got = await ours()
        assert.ok(
          got.every(({ code }) => code === undefined),
          JSON.stringify(got),
        )
        assert.deepEqual(got, await theirs())
      }),
      { numRuns: 150 },
    )
  })

  it('fails alike where an answer is cut off, at whatever byte', async () => {
    await fc.assert(
      fc.asyncProperty(answer, places, fc.nat(999), async ({ bytes }, at, end) => {
        const first = bytes.subarray(0, Math.floor((end * bytes.length) / 1000))
        script = [{ pieces: cut(first, at), after: 'end' }]
        assert.deepEqual(await ours(), await theirs())
      }),
      { numRuns: 150 },
    )
  })

  it('reads nothing that undici refuses, and nothing else than it, from spoilt answers', async () => {
    const spoil = fc.record({
      at: fc.nat(999),
      octet: fc.constantFrom(...Array.from('\r\n\0 :,0x5f-\x7f\xff')),
      kind: fc.nat(2),
    })
    let accepted = 0
    await fc.assert(
      fc.asyncProperty(
        plainAnswer,
        fc.array(spoil, { minLength: 1, maxLength: 2 }),
        places,
        async ({ bytes }, spoils, at) => {
          let spoilt: Buffer = bytes
          for (const { at, octet, kind } of spoils) {
            const place = Math.floor((at * spoilt.length) / 1000)
            const [replaced, inserted] = [kind === 2 ? 0 : 1, kind === 0 ? '' : octet]
            spoilt = Buffer.concat([
              spoilt.subarray(0, place),
              Buffer.from(inserted, 'latin1'),
              spoilt.subarray(place + replaced),
            ])
          }
          // Right as they are, though undici takes offence.
          fc.pre(!/HTTP\/1\.1 100|Length: ?\d+ +\r/.test(spoilt.toString('latin1')))
          script = [{ pieces: cut(spoilt, at), after: 'end' }]
          const [got] = await ours()
          if (got?.code !== undefined) return
          accepted += 1
          assert.deepEqual([got], await theirs(), JSON.stringify(spoilt.toString('latin1')))
        },
      ),
      { numRuns: 500 },
    )
    assert.ok(accepted > 0, 'every spoilt answer was refused: this shows nothing')
  })
})
