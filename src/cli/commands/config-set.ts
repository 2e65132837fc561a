/** `heddle config set`: writes one setting into the config file; every other line stays as it is. */
import { mkdir, rename, writeFile } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { assertSetting, loadConfig, originText } from '../../compose/config.ts'
import { editConfigText, readTextIfPresent } from '../../compose/config-file.ts'
import { valueOfText } from '../../compose/config-values.ts'
import { SETTINGS } from '../../compose/settings.ts'
import type { Context } from '../context.ts'
import { EXIT, type ExitCode } from '../exit-codes.ts'
import { parseSettingKey } from '../setting-text.ts'

export async function configSet(context: Context, keyText: string, valueText: string): Promise<ExitCode> {
  const key = parseSettingKey(keyText)
  const path = resolve(context.options.config ?? (context.env['HEDDLE_CONFIG'] || context.paths.config))
  const value = valueOfText(SETTINGS[key].kind, valueText)
  const text = readTextIfPresent(path) ?? ''
  assertSetting(key, value)
  // JSON's texts, numbers and lists are TOML's too.
  const edited = editConfigText(path, text, key, JSON.stringify(value))
  await mkdir(dirname(path), { recursive: true, mode: 0o700 })
  const temporary = `${path}.${process.pid}.tmp`
  await writeFile(temporary, edited, { mode: 0o600 })
  await rename(temporary, path)
  if (context.json)
    context.document({ schema: 'heddle.setting/v1', key, value: SETTINGS[key].secret ? '********' : value, path })
  else context.terminal.note(`${key} is set in ${path}; it holds from the next start of the node`)
  warnIfHidden(context, key, path)
  return EXIT.ok
}

/** Says so where something stronger than the file decides. */
function warnIfHidden(context: Context, key: keyof typeof SETTINGS, path: string): void {
  const now = loadConfig({ env: context.env, configFile: context.options.config }).settings.find(
    (each) => each.key === key,
  )
  if (now === undefined || (now.origin.from === 'file' && now.origin.path === path)) return
  context.terminal.note(`warning: ${originText(now.origin)} is stronger than this file`)
}
