/** The flags of `serve` and `up`: one for each setting, made from the table of settings. */
import type { Command } from 'commander'
import type { SettingKind } from '../compose/config-values.ts'
import { SETTING_KEYS, SETTINGS, type SettingKey } from '../compose/settings.ts'

/** Options as commander gives them, by camel-case name. */
export type SettingOptions = Readonly<Record<string, unknown>>

const PLACEHOLDERS: Readonly<Record<SettingKind, string>> = {
  text: '<text>',
  list: '<list>',
  boolean: '[yes|no]',
  integer: '<number>',
  duration: '<time>',
  size: '<size>',
  listen: '<host:port>',
}

export function addSettingFlags(command: Command): Command {
  command.optionsGroup('Settings (see `heddle config list`):')
  for (const key of SETTING_KEYS) {
    const { flag, kind, description, inert } = SETTINGS[key]
    const option = command.createOption(`${flag} ${PLACEHOLDERS[kind]}`, description)
    command.addOption(inert === undefined ? option : option.hideHelp())
  }
  return command
}

/** What was typed, by key of the table. */
export function flagsOf(options: SettingOptions): Partial<Record<SettingKey, string>> {
  const flags: Partial<Record<SettingKey, string>> = {}
  for (const key of SETTING_KEYS) {
    const value = options[attributeOf(SETTINGS[key].flag)]
    if (typeof value === 'string') flags[key] = value
    else if (value === true) flags[key] = 'true' // `--log-content` alone means yes
  }
  return flags
}

/** The same flags as arguments for another process. */
export function flagArguments(flags: Partial<Record<SettingKey, string>>): readonly string[] {
  return SETTING_KEYS.flatMap((key) => (flags[key] === undefined ? [] : [`${SETTINGS[key].flag}=${flags[key]}`]))
}

const attributeOf = (flag: string): string =>
  flag.slice(2).replace(/-([a-z])/g, (_, letter: string) => letter.toUpperCase())
