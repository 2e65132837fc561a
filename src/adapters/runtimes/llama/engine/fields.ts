/** Reads the fields of a request body, each with its own error. The gateway has checked them; this process trusts nobody. */
import { HeddleError } from '../../../../core/errors.ts'

export type Body = Readonly<Record<string, unknown>>

/** The error for a field with a wrong value. */
export function wrongField(name: string, expected: string): HeddleError {
  return new HeddleError('invalid_request', `"${name}" must be ${expected}`, { param: name })
}

/** A number in a range, or undefined where the field is absent or null. */
export function numberField(body: Body, name: string, min: number, max: number): number | undefined {
  const value = body[name]
  if (value === undefined || value === null) return undefined
  if (typeof value !== 'number' || !(value >= min && value <= max))
    throw wrongField(name, `a number from ${min} to ${max}`)
  return value
}

/** An integer in a range, or undefined where the field is absent or null. */
export function integerField(body: Body, name: string, min: number, max: number): number | undefined {
  const value = numberField(body, name, min, max)
  if (value !== undefined && !Number.isInteger(value)) throw wrongField(name, `an integer from ${min} to ${max}`)
  return value
}

export function textField(body: Body, name: string): string | undefined {
  const value = body[name]
  if (value === undefined || value === null) return undefined
  if (typeof value !== 'string') throw wrongField(name, 'a string')
  return value
}

export function flagField(body: Body, name: string): boolean {
  const value = body[name]
  if (value === undefined || value === null) return false
  if (typeof value !== 'boolean') throw wrongField(name, 'a boolean')
  return value
}

export function objectField(body: Body, name: string): Body | undefined {
  const value = body[name]
  if (value === undefined || value === null) return undefined
  if (!isObject(value)) throw wrongField(name, 'an object')
  return value
}

export function isObject(value: unknown): value is Body {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Strings or token ids to work on: one, or several. */
export type TextOrTokens = string | readonly number[]

/** `prompt` and `input`: a string, an array of strings, an array of tokens, or an array of such arrays. */
export function textsField(body: Body, name: string, most: number): readonly TextOrTokens[] {
  const value = body[name]
  const expected = `a string, an array of strings, or an array of tokens (at most ${most} of them)`
  if (typeof value === 'string') return [value]
  if (!Array.isArray(value) || value.length === 0) throw wrongField(name, expected)
  if (value.every(isTokenId)) return [value]
  if (value.length > most) throw wrongField(name, expected)
  return value.map((item: unknown) => {
    if (typeof item === 'string') return item
    if (Array.isArray(item) && item.length > 0 && item.every(isTokenId)) return item
    throw wrongField(name, expected)
  })
}

const isTokenId = (value: unknown): value is number =>
  typeof value === 'number' && Number.isInteger(value) && value >= 0
