/** `heddle config get`: one setting as this machine has it now. */
import { loadConfig, originText } from '../../compose/config.ts'
import type { Context } from '../context.ts'
import { EXIT, type ExitCode } from '../exit-codes.ts'
import { parseSettingKey, shownValue, valueText } from '../setting-text.ts'

export async function configGet(context: Context, text: string): Promise<ExitCode> {
  const key = parseSettingKey(text)
  const { settings } = loadConfig({ env: context.env, configFile: context.options.config })
  for (const setting of settings.filter((each) => each.key === key)) {
    const value = shownValue(setting)
    if (context.json) context.document({ schema: 'heddle.setting/v1', key, value, origin: originText(setting.origin) })
    else context.terminal.line(valueText(value))
  }
  return EXIT.ok
}
