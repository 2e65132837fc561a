/** Tables in Markdown, aligned so that they also read well in a terminal. */

export type Cell = string | number

/** A number as people read it: few digits, more of them the smaller it is; a dash for what was not measured. */
export function numberText(value: number | undefined, digits?: number): string {
  if (value === undefined || !Number.isFinite(value)) return '–'
  const size = Math.abs(value)
  return value.toFixed(digits ?? (size >= 100 ? 0 : size >= 10 ? 1 : 2))
}

/** A ratio to something measured in the same run; a dash when that was not measured. */
export function ratioText(value: number | undefined, base: number | undefined): string {
  if (value === undefined || base === undefined || base === 0) return '–'
  return numberText(value / base, 2)
}

/** Header and rows as a Markdown table; numbers are set flush right. */
export function tableOf(header: readonly string[], rows: readonly (readonly Cell[])[]): string {
  const texts = rows.map((row) =>
    row.map((cell) => (typeof cell === 'number' ? numberText(cell) : cell).replaceAll('|', '\\|')),
  )
  const isNumeric = header.map(
    (_, column) => texts.length > 0 && texts.every((row) => /^[–\-+\d.][\d.,]*( .*)?$/.test(row[column] ?? '')),
  )
  const widths = header.map((title, column) =>
    Math.max(title.length, 3, ...texts.map((row) => row[column]?.length ?? 0)),
  )
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell, column) => (isNumeric[column] ? cell.padStart(widths[column] ?? 0) : cell.padEnd(widths[column] ?? 0))).join(' | ')} |`
  const rule = `|${widths.map((width, column) => (isNumeric[column] ? `${'-'.repeat(width + 1)}:` : '-'.repeat(width + 2))).join('|')}|`
  return [line(header), rule, ...texts.map(line)].join('\n')
}
