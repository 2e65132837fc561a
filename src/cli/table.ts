/** Tables without borders: two spaces between columns, cut to the terminal's width where there is one. */
import stringWidth from 'string-width'
import { printable } from './terminal.ts'

export interface Column<Row> {
  readonly title: string
  readonly cell: (row: Row) => string
  readonly align?: 'left' | 'right'
  /** Columns that may be cut when the terminal is narrow; the widest first. */
  readonly shrinks?: boolean
}

const GAP = 2
const LEAST_COLUMN = 8

/** Lines of a table with a head. `width` undefined means as wide as it needs to be. */
export function tableLines<Row>(
  columns: readonly Column<Row>[],
  rows: readonly Row[],
  width: number | undefined,
): readonly string[] {
  const cells = [columns.map(({ title }) => title), ...rows.map((row) => columns.map(({ cell }) => oneLine(cell(row))))]
  const widths = columns.map((_, index) => Math.max(...cells.map((line) => stringWidth(line[index] ?? ''))))
  if (width !== undefined) shrink(columns, widths, width)
  return cells.map((line) =>
    line
      .map((text, index) => padded(text, widths[index] ?? 0, columns[index]?.align ?? 'left'))
      .join(' '.repeat(GAP))
      .trimEnd(),
  )
}

function shrink<Row>(columns: readonly Column<Row>[], widths: number[], width: number): void {
  const total = (): number => widths.reduce((sum, each) => sum + each + GAP, -GAP)
  while (total() > width) {
    let widest = -1
    for (const [index, { shrinks }] of columns.entries()) {
      const each = widths[index] ?? 0
      if (shrinks && each > LEAST_COLUMN && each > (widths[widest] ?? 0)) widest = index
    }
    if (widest < 0) return
    widths[widest] = (widths[widest] ?? 0) - 1
  }
}

/** `text` in exactly `width` columns, cut with `…` where it is longer. */
function padded(text: string, width: number, align: 'left' | 'right'): string {
  const cut = cutTo(text, width)
  const space = ' '.repeat(Math.max(0, width - stringWidth(cut)))
  return align === 'right' ? space + cut : cut + space
}

export function cutTo(text: string, width: number): string {
  if (stringWidth(text) <= width) return text
  let kept = ''
  for (const { segment } of new Intl.Segmenter().segment(text)) {
    if (stringWidth(kept + segment) > width - 1) break
    kept += segment
  }
  return `${kept}…`
}

const oneLine = (text: string): string => printable(text).replace(/\s+/g, ' ').trim()
