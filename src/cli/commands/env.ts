/** `heddle env`: the variables by which programs made for OpenAI find this node, for a shell to read. */
import { basename } from 'node:path'
import { HeddleError } from '../../core/errors.ts'
import { asTyped } from '../command-name.ts'
import type { Context } from '../context.ts'
import { EXIT, type ExitCode } from '../exit-codes.ts'
import { choiceOption } from '../option-values.ts'

const SHELLS = ['sh', 'fish', 'powershell'] as const
type Shell = (typeof SHELLS)[number]

export async function env(context: Context, options: { readonly shell?: string }): Promise<ExitCode> {
  const shell = options.shell === undefined ? shellOf(context.env) : choiceOption('--shell', options.shell, SHELLS)
  const { url, inferenceKey } = (await context.node()).address
  if (inferenceKey === undefined) {
    throw new HeddleError('insufficient_scope', `there is no API key at ${context.paths.defaultKeyFile}`, {
      fix: 'heddle keys create <name>',
    })
  }
  const variables = { OPENAI_BASE_URL: `${url}/v1`, OPENAI_API_KEY: inferenceKey }
  if (context.json) {
    context.document({ schema: 'heddle.env/v1', ...variables })
    return EXIT.ok
  }
  for (const [name, value] of Object.entries(variables)) context.terminal.line(assignment(shell, name, value))
  if (context.terminal.stdout.isTTY === true)
    context.terminal.note(asTyped(`# take them over with:  ${takeOver(shell)}`, context.env))
  return EXIT.ok
}

function shellOf(variables: Context['env']): Shell {
  if (process.platform === 'win32') return 'powershell'
  return basename(variables['SHELL'] ?? '') === 'fish' ? 'fish' : 'sh'
}

function assignment(shell: Shell, name: string, value: string): string {
  switch (shell) {
    case 'sh':
      return `export ${name}=${/^[A-Za-z0-9_./:@%+-]+$/.test(value) ? value : `'${value.replaceAll("'", `'\\''`)}'`}`
    case 'fish':
      return `set -gx ${name} '${value.replaceAll('\\', '\\\\').replaceAll("'", `\\'`)}'`
    case 'powershell':
      return `$env:${name} = '${value.replaceAll("'", "''")}'`
  }
}

function takeOver(shell: Shell): string {
  switch (shell) {
    case 'sh':
      return 'eval "$(heddle env)"'
    case 'fish':
      return 'heddle env | source'
    case 'powershell':
      return 'heddle env | Invoke-Expression'
  }
}
