/** Tests of the names by which people mean nodes. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { type NamedNode, pickNode } from './pick-node.ts'

const node = (id: string, name: string, fingerprint = '0'.repeat(64)): NamedNode => ({
  id,
  name,
  fingerprint: () => fingerprint,
})
const nodes = [
  node('12D3KooWAAAA', 'studio', 'abcd'.repeat(16)),
  node('12D3KooWBBBB', 'Studio-pc', 'beef'.repeat(16)),
  node('12D3KooWCCCC', 'attic', 'cafe'.repeat(16)),
  node('12D3KooWCCCD', 'attic'),
]
const picked = (text: string): string => pickNode(nodes, text).id

describe('pickNode', () => {
  it('takes a whole name before a beginning, and either case', () => {
    assert.equal(picked('studio'), '12D3KooWAAAA')
    assert.equal(picked('STUDIO-P'), '12D3KooWBBBB')
  })

  it('takes an id or a fingerprint, whole or its beginning', () => {
    assert.equal(picked('12D3KooWCCCC'), '12D3KooWCCCC')
    assert.equal(picked('12D3KooWB'), '12D3KooWBBBB')
    assert.equal(picked('cafecafe'), '12D3KooWCCCC')
    assert.equal(picked(` ${'beef'.repeat(16)}`), '12D3KooWBBBB')
  })

  it('names those that fit where several do', () => {
    assert.throws(() => picked('attic'), {
      code: 'invalid_request',
      message: '"attic" may be any of 2 nodes: attic (12D3KooWCCCC), attic (12D3KooWCCCD); give more of the name or id',
    })
    assert.throws(() => picked('12D3'), { code: 'invalid_request' })
  })

  it('suggests a near name where none fits, and nothing for nothing', () => {
    assert.throws(() => picked('atic'), {
      code: 'not_found',
      message: 'there is no node "atic"; did you mean "attic"?',
    })
    assert.throws(() => picked(''), { code: 'not_found' })
    assert.throws(() => pickNode([], 'x'), { code: 'not_found', message: 'there is no node "x"' })
  })
})
