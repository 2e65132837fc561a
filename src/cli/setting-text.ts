/** Settings as they are shown and found; secrets are never shown. */
import type { EffectiveSetting } from '../compose/config.ts'
import { nearWord } from '../compose/near-word.ts'
import { isSettingKey, SETTING_KEYS, SETTINGS, type SettingKey } from '../compose/settings.ts'
import { HeddleError } from '../core/errors.ts'

const MASK = '********'

/** The value, or a mask where it is a secret or holds a password. */
export function shownValue({ key, value }: Pick<EffectiveSetting, 'key' | 'value'>): unknown {
  if (SETTINGS[key].secret) return value === '' ? '' : MASK
  const mask = (each: unknown): unknown =>
    typeof each === 'string' ? each.replace(/(:\/\/)[^/@\s]+@/g, `$1${MASK}@`) : each
  return Array.isArray(value) ? value.map(mask) : mask(value)
}

/** As it is typed after a flag. */
export function valueText(value: unknown): string {
  return Array.isArray(value) ? value.join(',') : String(value)
}

export function parseSettingKey(text: string): SettingKey {
  if (isSettingKey(text)) return text
  const near = nearWord(text, SETTING_KEYS)
  throw new HeddleError(
    'usage',
    `there is no setting "${text}"${near === undefined ? '' : `; did you mean ${near}?`}`,
    {
      param: text,
      fix: 'heddle config list',
    },
  )
}
