/** The targets of the project, each with what was measured and whether it holds. */
import { numberText, tableOf } from './table.ts'

export interface Verdict {
  readonly what: string
  readonly target: string
  readonly measured: string
  readonly holds: boolean
}

export interface Bound {
  readonly what: string
  /** Undefined when this run did not measure it: then it does not hold. */
  readonly measured: number | undefined
  readonly atLeast?: number
  readonly atMost?: number
  /** Goes behind both numbers, e.g. ` ms` or ` × nginx`. */
  readonly unit: string
}

/** Compares one measurement with its bounds. */
export function verdictOf({ what, measured, atLeast, atMost, unit }: Bound): Verdict {
  const target = [
    ...(atLeast === undefined ? [] : [`≥ ${atLeast}${unit}`]),
    ...(atMost === undefined ? [] : [`≤ ${atMost}${unit}`]),
  ].join(', ')
  if (target === '') throw new Error(`the target "${what}" has no bound`)
  if (measured === undefined || !Number.isFinite(measured))
    return { what, target, measured: 'not measured', holds: false }
  const holds = (atLeast === undefined || measured >= atLeast) && (atMost === undefined || measured <= atMost)
  return {
    what,
    target,
    measured: `${numberText(measured, measured !== 0 && Math.abs(measured) < 100 ? 2 : 0)}${unit}`,
    holds,
  }
}

export function verdictTable(verdicts: readonly Verdict[]): string {
  return tableOf(
    ['target', 'wanted', 'measured', 'holds'],
    verdicts.map((verdict) => [verdict.what, verdict.target, verdict.measured, verdict.holds ? 'yes' : 'NO']),
  )
}
