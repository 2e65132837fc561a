/** Options of commands as values; what cannot be one is wrong usage. */
import { parseDuration } from '../compose/config-values.ts'
import { HeddleError } from '../core/errors.ts'

export interface NumberBounds {
  readonly least?: number
  readonly most?: number
  readonly whole?: boolean
}

/** The number after `flag`. */
export function numberOption(flag: string, text: string, { least, most, whole = false }: NumberBounds = {}): number {
  const value = Number(text)
  const fits = value >= (least ?? Number.NEGATIVE_INFINITY) && value <= (most ?? Number.POSITIVE_INFINITY)
  if (text.trim() !== '' && fits && (!whole || Number.isInteger(value))) return value
  const range = least === undefined ? '' : most === undefined ? ` of at least ${least}` : ` from ${least} to ${most}`
  throw new HeddleError('usage', `${flag} takes a ${whole ? 'whole ' : ''}number${range}; got "${text}"`, {
    param: flag,
  })
}

/** Milliseconds of the time after `flag`. */
export function durationOption(flag: string, text: string): number {
  const value = parseDuration(text)
  if (value !== undefined) return value
  throw new HeddleError('usage', `${flag} takes a time such as 30s, 10m or 7d; got "${text}"`, { param: flag })
}

/** Items of a comma-separated list, without empty ones. */
export function listOption(text: string): string[] {
  return text
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== '')
}

export function choiceOption<const T extends readonly string[]>(flag: string, text: string, choices: T): T[number] {
  const found = choices.find((choice) => choice === text)
  if (found !== undefined) return found
  throw new HeddleError('usage', `${flag} takes ${choices.join(', ')}; got "${text}"`, { param: flag })
}
