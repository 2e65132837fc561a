/** One bound of the tables in `limits.ts` and `mesh-limits.ts`. */
export interface Limit {
  readonly value: number
  readonly unit: 'bytes' | 'ms' | 'items' | 'per minute' | 'levels'
  readonly reason: string
}
