/** Medians, percentiles and the interleaved order in which targets are measured. */

/** The middle value; the mean of the two middle ones when their number is even. */
export function medianOf(values: readonly number[]): number {
  if (values.length === 0) throw new Error('the median of nothing was asked for')
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length >> 1
  const upper = sorted[middle] as number
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] as number) + upper) / 2
}

/** The nearest-rank percentile, `share` in 0..1. */
export function percentileOf(values: readonly number[], share: number): number {
  if (values.length === 0) throw new Error('a percentile of nothing was asked for')
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.max(0, Math.ceil(share * sorted.length) - 1))] as number
}

/** The median of every field over the rounds of one target. */
export function medianRow<Key extends string>(rounds: readonly Readonly<Record<Key, number>>[]): Record<Key, number> {
  const first = rounds[0]
  if (first === undefined) throw new Error('no round was measured')
  const entries = (Object.keys(first) as Key[]).map(
    (key) => [key, medianOf(rounds.map((round) => round[key]))] as const,
  )
  return Object.fromEntries(entries) as Record<Key, number>
}

export interface InterleaveOptions {
  readonly rounds: number
  readonly signal: AbortSignal
}

/**
 * Measures every target once per round and turns the order round each time, so that a machine that slows down
 * meanwhile slows all of them alike. Round 0 warms caches and compilers up and is thrown away.
 */
export async function interleave<Row>(
  names: readonly string[],
  measure: (name: string, round: number) => Promise<Row>,
  { rounds, signal }: InterleaveOptions,
): Promise<Map<string, Row[]>> {
  const rows = new Map<string, Row[]>(names.map((name) => [name, []]))
  for (let round = 0; round <= rounds; round += 1) {
    const order = round % 2 === 0 ? names : names.toReversed()
    for (const name of order) {
      signal.throwIfAborted()
      const row = await measure(name, round)
      if (round > 0) rows.get(name)?.push(row)
    }
  }
  return rows
}
