/** `heddle config path`: where the config file is, or would be. */
import { resolve } from 'node:path'
import type { Context } from '../context.ts'
import { EXIT, type ExitCode } from '../exit-codes.ts'

export async function configPath(context: Context): Promise<ExitCode> {
  const path = resolve(context.options.config ?? (context.env['HEDDLE_CONFIG'] || context.paths.config))
  if (context.json) context.document({ schema: 'heddle.config-path/v1', path })
  else context.terminal.line(path)
  return EXIT.ok
}
