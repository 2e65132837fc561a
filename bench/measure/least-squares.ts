/** The law that fits measurements best: `y = c0·x0 + c1·x1 + …` with the least sum of squared relative errors. */

export interface Fit {
  /** One for each x. */
  readonly coefficients: readonly number[]
  /** The largest |measured − law| / measured. */
  readonly worstError: number
}

export interface Point {
  readonly xs: readonly number[]
  readonly y: number
}

/** Relative errors, so that the small measurements count as much as the large ones; every `y` is above 0. */
export function leastSquares(points: readonly Point[]): Fit {
  const size = points[0]?.xs.length ?? 0
  if (points.length < size || size === 0)
    throw new RangeError(`${points.length} points do not fix ${size} coefficients`)
  const scaled = points.map(({ xs, y }) => xs.map((x) => x / y))
  // The normal equations: (XᵀX) c = Xᵀ1.
  const rows = Array.from({ length: size }, (_, row) => [
    ...Array.from({ length: size }, (__, column) => sumOf(scaled, (xs) => at(xs, row) * at(xs, column))),
    sumOf(scaled, (xs) => at(xs, row)),
  ])
  const coefficients = solve(rows)
  const errors = scaled.map((xs) => Math.abs(1 - sumOf(coefficients, (each, index) => each * at(xs, index))))
  return { coefficients, worstError: Math.max(...errors) }
}

/** Gaussian elimination with pivots; the last column is the right side. */
function solve(rows: number[][]): readonly number[] {
  const size = rows.length
  for (let column = 0; column < size; column += 1) {
    const below = rows.slice(column)
    const pivot = below.reduce((best, row) => (Math.abs(at(row, column)) > Math.abs(at(best, column)) ? row : best))
    if (Math.abs(at(pivot, column)) < Number.EPSILON) throw new RangeError('the points lie on too few lines')
    rows.splice(rows.indexOf(pivot), 1)
    rows.splice(column, 0, pivot)
    for (const row of rows) {
      if (row === pivot) continue
      const factor = at(row, column) / at(pivot, column)
      for (let index = column; index <= size; index += 1) row[index] = at(row, index) - factor * at(pivot, index)
    }
  }
  return rows.map((row, index) => at(row, size) / at(row, index))
}

function sumOf<T>(items: readonly T[], of: (item: T, index: number) => number): number {
  return items.reduce((sum, item, index) => sum + of(item, index), 0)
}

function at(row: readonly number[], index: number): number {
  return row[index] ?? 0
}
