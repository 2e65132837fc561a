/** Tests of tables. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import stringWidth from 'string-width'
import { type Column, cutTo, tableLines } from './table.ts'

interface Row {
  readonly model: string
  readonly node: string
  readonly load: string
}

const COLUMNS: readonly Column<Row>[] = [
  { title: 'MODEL', cell: ({ model }) => model, shrinks: true },
  { title: 'NODE', cell: ({ node }) => node, shrinks: true },
  { title: 'LOAD', cell: ({ load }) => load, align: 'right' },
]
const ROWS: readonly Row[] = [
  { model: 'llama3.1:70b', node: 'studio-pc', load: '2/4' },
  { model: 'org/a-model-with-a-rather-long-name-Q4_K_M', node: 'mac-mini', load: '10/16' },
  { model: '東京-7b', node: 'größe', load: '-' },
]

describe('tableLines', () => {
  it('is as wide as its texts where nothing bounds it, with wide letters counted as two', () => {
    assert.deepEqual(tableLines(COLUMNS, ROWS, undefined), [
      'MODEL                                       NODE        LOAD',
      'llama3.1:70b                                studio-pc    2/4',
      'org/a-model-with-a-rather-long-name-Q4_K_M  mac-mini   10/16',
      '東京-7b                                     größe          -',
    ])
  })

  it('cuts the widest column to a narrow terminal and never the others', () => {
    assert.deepEqual(tableLines(COLUMNS, ROWS, 40), [
      'MODEL                   NODE        LOAD',
      'llama3.1:70b            studio-pc    2/4',
      'org/a-model-with-a-ra…  mac-mini   10/16',
      '東京-7b                 größe          -',
    ])
    for (const width of [60, 80, 120]) {
      for (const line of tableLines(COLUMNS, ROWS, width)) assert.ok(stringWidth(line) <= width)
    }
  })

  it('lets no text of a stranger drive the terminal or break a line', () => {
    const rows = [{ model: 'evil\u001B[2J\u0007\nname', node: '', load: '' }]
    assert.deepEqual(tableLines(COLUMNS, rows, undefined), ['MODEL         NODE  LOAD', 'evil[2J name'])
  })
})

describe('cutTo', () => {
  it('cuts between letters, not inside them', () => {
    assert.equal(cutTo('東京都', 5), '東京…')
    assert.equal(cutTo('東京都', 4), '東…')
    assert.equal(cutTo('👩‍👩‍👧x', 3), '👩‍👩‍👧x')
  })
})
