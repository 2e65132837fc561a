/** Tests of the GGUF header parser: the shipped model, small made ones, and everything that must be refused. */
import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { hrtime, memoryUsage } from 'node:process'
import { describe, it } from 'node:test'
import * as fc from 'fast-check'
import {
  buildGguf,
  type GgufEntryValue,
  type GgufPlan,
  SMALL_PLAN,
  uint32,
  uint64,
  withEntry,
  withTensor,
} from '../../../test/support/gguf-builder.ts'
import { HeddleError } from '../errors.ts'
import { limit } from '../limits.ts'
import type { GgufHeader } from './gguf-header.ts'
import { parseGgufHeader } from './parse-gguf-header.ts'

const shipped = new URL('../../../models/tinychat-1.2m-q8_0.gguf', import.meta.url)

/** Parses bytes in memory and notes the largest read that was asked for. */
async function parse(file: Uint8Array, sizeBytes = file.length): Promise<{ header: GgufHeader; largestRead: number }> {
  let largestRead = 0
  const read = async (offset: number, length: number): Promise<Uint8Array> => {
    largestRead = Math.max(largestRead, length)
    return file.subarray(offset, offset + length)
  }
  return { header: await parseGgufHeader(read, sizeBytes), largestRead }
}

async function refusal(file: Uint8Array, sizeBytes = file.length): Promise<HeddleError> {
  const error = await parse(file, sizeBytes).then(
    () => assert.fail('the file was accepted'),
    (cause: unknown) => cause,
  )
  assert(error instanceof HeddleError, String(error))
  assert.equal(error.code, 'gguf_invalid')
  return error
}

function patched(file: Uint8Array, at: number, bytes: Uint8Array): Buffer {
  const copy = Buffer.from(file)
  copy.set(bytes, at)
  return copy
}

/** An array of arrays, `depth` deep. */
function nested(depth: number): GgufEntryValue {
  if (depth === 1) return { type: 'array', of: 'uint8', values: [{ type: 'uint8', value: 1 }] }
  return { type: 'array', of: 'array', values: [nested(depth - 1)] }
}

/** Arrays that claim more than they hold. */
const uint8s = (count: bigint): GgufEntryValue => ({ type: 'array', of: 'uint8', count, values: [] })
const strings = (count: bigint): GgufEntryValue => ({ type: 'array', of: 'string', count, values: [] })

describe('parseGgufHeader', () => {
  it('reads the shipped model', async () => {
    const { header } = await parse(await readFile(shipped))
    assert.equal(header.version, 3)
    assert.equal(header.architecture, 'llama')
    assert.equal(header.tensors.length, 56)
    assert.equal(header.dataOffset, 26_400)
    const embedding = header.tensors.find(({ name }) => name === 'token_embd.weight')
    assert.deepEqual(embedding?.dimensions, [128, 1024])
    assert.equal(embedding?.sizeBytes, ((128 * 1024) / 32) * 34)
    const last = Math.max(...header.tensors.map(({ offset, sizeBytes }) => offset + sizeBytes))
    assert.equal(last, header.fileSizeBytes)
    assert.deepEqual(header.metadata.get('tokenizer.ggml.tokens'), { kind: 'array', count: 1024, numbers: undefined })
  })

  it('reads every kind of value of a small file, in versions 2 and 3', async () => {
    for (const version of [2, 3]) {
      const { header } = await parse(buildGguf({ version }))
      assert.equal(header.version, version)
      assert.equal(header.metadata.get('llama.embedding_length'), 8)
      assert.equal(header.metadata.get('tokenizer.ggml.add_bos_token'), true)
      assert.deepEqual(header.metadata.get('llama.attention.head_count_kv'), {
        kind: 'array',
        count: 2,
        numbers: [2, 1],
      })
      assert.deepEqual(
        header.tensors.map(({ offset, sizeBytes }) => [offset - header.dataOffset, sizeBytes]),
        [
          [0, 96],
          [96, 32],
        ],
      )
    }
  })

  it('keeps a 64-bit integer exactly', async () => {
    const { header } = await parse(buildGguf(withEntry('x.big', { type: 'uint64', value: 2n ** 63n + 1n })))
    assert.equal(header.metadata.get('x.big'), 2n ** 63n + 1n)
  })

  it('passes over a long string instead of keeping it', async () => {
    const { header, largestRead } = await parse(
      buildGguf(withEntry('x.y', { type: 'string', value: 'z'.repeat(300_000) })),
    )
    assert.deepEqual(header.metadata.get('x.y'), { kind: 'long-string', sizeBytes: 300_000 })
    assert(largestRead <= 65_536)
  })

  it('reads a header that spans many windows', async () => {
    const values = Array.from({ length: 50_000 }, (_, index) => ({ type: 'string', value: `token ${index}` }) as const)
    const { header, largestRead } = await parse(
      buildGguf(withEntry('tokenizer.ggml.tokens', { type: 'array', of: 'string', values })),
    )
    assert.deepEqual(header.metadata.get('tokenizer.ggml.tokens'), { kind: 'array', count: 50_000, numbers: undefined })
    assert.equal(header.tensors.length, 2)
    assert(largestRead <= 65_536)
  })

  it('refuses a small header cut at any byte', async () => {
    const file = buildGguf()
    const { header } = await parse(file)
    for (let length = 0; length < file.length; length += 1) {
      await refusal(file.subarray(0, length))
      // A read that brings less than the file's size promised.
      if (length < header.headerBytes) await refusal(file.subarray(0, length), file.length)
    }
  })

  it('refuses counts of 2^63 before anything is read or allocated for them', async () => {
    for (const at of [8, 16]) {
      for (const count of [2n ** 63n, 2n ** 64n - 1n, 2n ** 53n, 1_000_000_000n]) {
        const error = await refusal(patched(buildGguf(), at, uint64(count)))
        assert.deepEqual(error.details.metadata, { offset: at })
      }
    }
  })

  const gibibyte = Buffer.concat([uint32(8), uint64(2n ** 30n)])
  const stringAt = buildGguf().indexOf('general.name') + 'general.name'.length

  const refused: readonly (readonly [string, Partial<GgufPlan> | Uint8Array, RegExp])[] = [
    ['another magic', patched(buildGguf(), 0, Buffer.from('GGML')), /first four bytes/],
    ['version 1', { version: 1 }, /version 1/],
    ['version 4', { version: 4 }, /version 4/],
    ['big-endian', { version: 0x03000000 }, /big-endian/],
    ['an unknown value type', patched(buildGguf(), stringAt, uint32(13)), /unknown value type 13/],
    ['a string of 1 GiB', patched(buildGguf(), stringAt, gibibyte), /string of 1073741824 bytes/],
    [
      'a string past the end',
      patched(buildGguf(), stringAt, Buffer.concat([uint32(8), uint64(4_000n)])),
      /ends inside/,
    ],
    ['a string that is not UTF-8', patched(buildGguf(), stringAt + 12, Buffer.of(0xff)), /not UTF-8/],
    ['an array of 10^9', withEntry('x.y', uint8s(1_000_000_000n)), /array of 1000000000 elements/],
    ['an array of 2^63', withEntry('x.y', uint8s(2n ** 63n)), /absurdly large/],
    ['an array longer than the file', withEntry('x.y', strings(1_000_000n)), /ends inside/],
    ['arrays nested too deeply', withEntry('x.y', nested(limit('ggufArrayDepth') + 1)), /nested too deeply/],
    ['a depth bomb', withEntry('x.y', nested(500)), /nested too deeply/],
    ['a boolean of 2', withEntry('x.y', { type: 'bool', value: 2 }), /boolean/],
    ['a key with a space', withEntry('x y', { type: 'uint8', value: 1 }), /not a dotted name/],
    ['an empty key', withEntry('', { type: 'uint8', value: 1 }), /not a dotted name/],
    ['a repeated key', { entries: [...SMALL_PLAN.entries, ...SMALL_PLAN.entries.slice(0, 1)] }, /repeats a key/],
    ['no architecture', { entries: SMALL_PLAN.entries.slice(1) }, /architecture/],
    ['an alignment of 24', withEntry('general.alignment', { type: 'uint32', value: 24 }), /power of two/],
    ['an alignment of 0', withEntry('general.alignment', { type: 'uint32', value: 0 }), /power of two/],
    ['an alignment in words', withEntry('general.alignment', { type: 'string', value: '32' }), /power of two/],
    ['a tensor offset past the end', withTensor({ offset: 2n ** 40n }), /past the end/],
    ['a tensor offset of 2^63', withTensor({ offset: 2n ** 63n }), /absurdly large/],
    ['a tensor offset that is not aligned', withTensor({ offset: 97n }), /not aligned/],
    ['overlapping tensors', withTensor({ offset: 64n }), /overlap/],
    ['two tensors of one name', withTensor({ name: 'token_embd.weight' }), /repeats a name/],
    ['a tensor without a name', withTensor({ name: '' }), /printable name/],
    ['a tensor name of 65 bytes', withTensor({ name: 'n'.repeat(65) }), /longer than 64/],
    ['a control character in a tensor name', withTensor({ name: 'a\nb' }), /printable name/],
    ['an unknown tensor type', withTensor({ type: 4 }), /unknown type 4/],
    ['no dimensions', withTensor({ dimensions: [] }), /0 dimensions/],
    ['five dimensions', withTensor({ dimensions: [8n, 1n, 1n, 1n, 1n] }), /5 dimensions/],
    ['a dimension of zero', withTensor({ dimensions: [0n] }), /impossible shape/],
    ['dimensions whose product overflows', withTensor({ dimensions: [2n ** 32n, 2n ** 32n] }), /impossible shape/],
    ['half a block in a row', withTensor({ type: 8, dimensions: [8n] }), /whole number of Q8_0 blocks/],
  ]
  for (const [what, change, message] of refused) {
    it(`refuses ${what}`, async () => {
      const file = change instanceof Uint8Array ? change : buildGguf(change)
      assert.match((await refusal(file)).message, message)
    })
  }

  it('accepts arrays nested up to the bound', async () => {
    await parse(buildGguf(withEntry('x.y', nested(limit('ggufArrayDepth')))))
  })

  it('refuses a header larger than the bound, however large the file', async () => {
    const start = Buffer.concat([Buffer.from('GGUF'), uint32(3), uint64(0n), uint64(10n)])
    const byteAt = (at: number): number => start[at] ?? entryByte(at - start.length)
    const read = async (offset: number, length: number) => Uint8Array.from({ length }, (_, at) => byteAt(offset + at))
    await assert.rejects(parseGgufHeader(read, 2 ** 40), { code: 'gguf_invalid', message: /header is too large/ })
  })

  it('never repeats what the file says', async () => {
    const secret = 'the-secret-of-the-file'
    for (const plan of [withEntry(`${secret} `, { type: 'uint8', value: 1 }), withTensor({ name: `${secret}\n` })]) {
      const error = await refusal(buildGguf(plan))
      assert(!error.message.includes('secret'))
    }
  })

  it('gives a header or a typed error for any mutation, quickly and in little memory', async () => {
    const original = buildGguf()
    const mutation = fc.oneof(
      fc.record({ at: fc.nat(original.length - 1), bytes: fc.uint8Array({ minLength: 1, maxLength: 8 }) }),
      fc.record({
        at: fc.nat(original.length - 1),
        bytes: fc.constantFrom(2n ** 64n - 1n, 2n ** 63n, 2n ** 32n, 2n ** 31n, 2n ** 20n, 0n).map(uint64),
      }),
    )
    const mutations = fc.array(mutation, { minLength: 1, maxLength: 4 })
    const property = fc.asyncProperty(mutations, fc.nat(64), async (changes, cut) => {
      const file = Buffer.from(original.subarray(0, original.length - cut))
      for (const { at, bytes } of changes)
        file.set(bytes.subarray(0, Math.max(0, file.length - at)), Math.min(at, file.length))
      const before = hrtime.bigint()
      const outcome = await parse(file).catch((error: unknown) => error)
      const elapsedMs = Number(hrtime.bigint() - before) / 1e6
      if (outcome instanceof Error)
        assert(outcome instanceof HeddleError && outcome.code === 'gguf_invalid', outcome.stack)
      else assert((outcome as { largestRead: number }).largestRead <= 65_536)
      // Twice over, so that one pause of a busy machine is not taken for a slow parser.
      if (elapsedMs >= 50) assert(await quickAgain(file), `${elapsedMs} ms for one header`)
    })
    const heapBefore = memoryUsage().arrayBuffers
    await fc.assert(property, { numRuns: 10_000 })
    assert(memoryUsage().arrayBuffers - heapBefore < 64 * 1024 * 1024)
  })
})

async function quickAgain(file: Uint8Array): Promise<boolean> {
  const before = hrtime.bigint()
  await parse(file).catch(() => undefined)
  return hrtime.bigint() - before < 50_000_000n
}

/** The byte at `at` of endless metadata entries, each with a key of its own and a string of almost 8 MiB. */
function entryByte(at: number): number {
  const index = Math.floor(at / ENTRY_BYTES)
  const within = at % ENTRY_BYTES
  if (within >= ENTRY_HEAD_BYTES) return 0x61
  const length = BigInt(ENTRY_BYTES - ENTRY_HEAD_BYTES)
  return Buffer.concat([uint64(4n), Buffer.from(`key${index}`), uint32(8), uint64(length)])[within] as number
}

const ENTRY_BYTES = 8 * 1024 * 1024
const ENTRY_HEAD_BYTES = 24
