/** `heddle config list`: every setting as this machine has it now, and with `--show-origin` where it comes from. */
import { type EffectiveSetting, loadConfig, originText } from '../../compose/config.ts'
import type { Context } from '../context.ts'
import { EXIT, type ExitCode } from '../exit-codes.ts'
import { shownValue, valueText } from '../setting-text.ts'
import { type Column, tableLines } from '../table.ts'

const COLUMNS: readonly Column<EffectiveSetting>[] = [
  { title: 'SETTING', cell: ({ key }) => key },
  { title: 'VALUE', cell: (setting) => valueText(shownValue(setting)) || '-', shrinks: true },
  { title: 'ORIGIN', cell: ({ origin }) => originText(origin) },
]

export async function configList(
  context: Context,
  { showOrigin = false }: { readonly showOrigin?: boolean },
): Promise<ExitCode> {
  const { settings, warnings } = loadConfig({ env: context.env, configFile: context.options.config })
  if (context.json) {
    const entries = settings.map((setting) => ({
      key: setting.key,
      value: shownValue(setting),
      origin: setting.origin.from,
      source: setting.origin.from === 'default' ? null : originText(setting.origin).replace(/^\w+ /, ''),
    }))
    context.document({ schema: 'heddle.config/v1', entries })
    return EXIT.ok
  }
  const columns = showOrigin ? COLUMNS : COLUMNS.slice(0, 2)
  for (const line of tableLines(columns, settings, context.terminal.width)) context.terminal.line(line)
  for (const warning of warnings) context.terminal.note(`warning: ${warning}`)
  return EXIT.ok
}
