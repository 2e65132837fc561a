/** Tests of what is told about a GGUF file. */
import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { describe, it } from 'node:test'
import { buildGguf, type GgufPlan, SMALL_PLAN, withEntry, withTensor } from '../../../test/support/gguf-builder.ts'
import { GGML_TYPES } from './ggml-types.ts'
import { type GgufSummary, summariseGguf } from './gguf-summary.ts'
import { parseGgufHeader } from './parse-gguf-header.ts'

async function summaryOf(file: Uint8Array): Promise<GgufSummary> {
  return summariseGguf(await parseGgufHeader(async (at, length) => file.subarray(at, at + length), file.length))
}

const summaryWith = (plan: Partial<GgufPlan>): Promise<GgufSummary> => summaryOf(buildGguf(plan))

describe('summariseGguf', () => {
  it('tells the facts of the shipped model', async () => {
    const file = await readFile(new URL('../../../models/tinychat-1.2m-q8_0.gguf', import.meta.url))
    assert.deepEqual(await summaryOf(file), {
      architecture: 'llama',
      kind: 'model',
      name: 'tinychat 1.2M',
      license: 'mit',
      contextTokens: 512,
      parameters: 1_238_656,
      quantisation: 'Q8_0',
      vocabularySize: 1024,
      hasChatTemplate: true,
      isEmbeddingModel: false,
      blockCount: 6,
      embeddingLength: 128,
      headCount: 4,
      kvHeadCount: 2,
      splitCount: 1,
      tensorBytes: 1_320_960,
    })
  })

  it('takes the largest of values given for each layer', async () => {
    assert.equal((await summaryWith({})).kvHeadCount, 2)
  })

  it('takes as many heads for keys as for queries where the file does not say', async () => {
    const entries = SMALL_PLAN.entries.filter(([key]) => !key.endsWith('head_count_kv'))
    assert.equal((await summaryWith({ entries })).kvHeadCount, 4)
  })

  it('names the quantisation after most of the bytes where the file does not say', async () => {
    const entries = SMALL_PLAN.entries.filter(([key]) => key !== 'general.file_type')
    assert.equal((await summaryWith({ entries, ...withTensor({ type: 1 }) })).quantisation, 'F32')
    const mostlyHalf = withTensor({ type: 1, dimensions: [64n] })
    assert.equal((await summaryWith({ entries, ...mostlyHalf, dataBytes: 256 })).quantisation, 'F16')
  })

  it('shows no control characters and no endless names', async () => {
    const value = `\u001b[31mred\n\u202e${'x'.repeat(500)}`
    const { name } = await summaryWith(withEntry('general.name', { type: 'string', value }))
    assert.match(name ?? '', /^\[31mred x+$/)
    assert.equal(name?.length, 120)
  })

  it('ignores values of the wrong type', async () => {
    const summary = await summaryWith(withEntry('llama.context_length', { type: 'string', value: '4096' }))
    assert.equal(summary.contextTokens, undefined)
  })
})

describe('GGML_TYPES', () => {
  it('stores from 1 to 64 bits for each weight', () => {
    for (const { name, blockItems, blockBytes } of GGML_TYPES.values()) {
      const bits = (blockBytes * 8) / blockItems
      assert(bits >= 1 && bits <= 64, name)
    }
  })
})
