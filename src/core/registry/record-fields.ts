/** Reading the parts that node records and load beats have in common. */
import type { CanonicalValue } from '../identity/canonical.ts'
import { FieldReader } from '../identity/field-reader.ts'
import { limit } from '../limits.ts'

/** Reads a map inside another; its first mistake becomes one of the outer map's. */
export function nestedIn<T>(
  parent: FieldReader,
  value: CanonicalValue,
  read: (fields: FieldReader) => () => T,
): T | undefined {
  const fields = new FieldReader(value)
  const outcome = fields.finish(read(fields))
  if (outcome.kind === 'ok') return outcome.value
  parent.refuse(outcome.kind === 'malformed' ? outcome.reason : outcome.kind)
  return undefined
}

/** A text of 1 to 256 printable characters, composed (Unicode NFC). */
export function recordText(fields: FieldReader, key: number): string {
  const text = fields.text(key, limit('recordTextCharacters'))
  if (!isRecordText(text)) fields.refuse(`key ${key} is not a plain text`)
  return text
}

/** An optional list of such texts. */
export function textList(fields: FieldReader, key: number, maxItems: number): readonly string[] {
  if (!fields.has(key)) return []
  const items = fields.list(key, maxItems)
  const texts = items.filter((item) => typeof item === 'string')
  if (texts.length !== items.length || !texts.every(isRecordText)) {
    fields.refuse(`key ${key} is not a list of plain texts`)
  }
  return texts
}

/** Control characters and those that turn or hide text. */
const UNSHOWABLE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u

/** Whether a record may hold `text` as an id, address or group. */
export function isRecordText(text: string): boolean {
  if (text === '' || text.length > limit('recordTextCharacters')) return false
  return text.isWellFormed() && text === text.trim() && !UNSHOWABLE.test(text) && text === text.normalize('NFC')
}

export function isParameterName(text: string): boolean {
  return /^[\w.-]{1,64}$/.test(text)
}

/** An HTTP address without credentials. */
export function isDirectUrl(text: string): boolean {
  return isRecordText(text) && /^https?:\/\/[^\s@]+$/.test(text)
}

export function isRegionName(text: string): boolean {
  return /^[a-z0-9][a-z0-9-]{0,31}$/.test(text)
}
