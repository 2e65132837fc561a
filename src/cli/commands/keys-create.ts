/** `heddle keys create`: makes a key and prints its secret, which is never shown again. */
import { HeddleError } from '../../core/errors.ts'
import { PROMPT_TRUST, type PromptTrust, parsePromptTrust } from '../../core/routing/prompt-trust.ts'
import type { CreatedKey, CreateKeyInput } from '../../core/wire/admin-accounts.ts'
import type { Context } from '../context.ts'
import { EXIT, type ExitCode } from '../exit-codes.ts'
import { listOption, numberOption } from '../option-values.ts'

export interface KeysCreateOptions {
  readonly scopes: string
  readonly models?: string
  readonly rpm?: string
  readonly tpm?: string
  readonly expires?: string
  readonly promptTrust?: string
}

const SCOPES = ['inference', 'read', 'admin'] as const

export async function keysCreate(context: Context, name: string, options: KeysCreateOptions): Promise<ExitCode> {
  const body: CreateKeyInput = {
    name,
    scopes: listOption(options.scopes).map(scopeOf),
    models: listOption(options.models ?? ''),
    ...(options.rpm === undefined ? {} : { rpm: numberOption('--rpm', options.rpm, { least: 1, whole: true }) }),
    ...(options.tpm === undefined ? {} : { tpm: numberOption('--tpm', options.tpm, { least: 1, whole: true }) }),
    ...(options.promptTrust === undefined ? {} : { promptTrust: trustOf(options.promptTrust) }),
    ...(options.expires === undefined ? {} : { expiresIn: options.expires }),
  }
  const node = await context.node()
  const key = await node.call<CreatedKey>('POST', '/api/v1/keys', body, { signal: context.signal })
  if (context.json) {
    context.document({ schema: 'heddle.key/v1', ...key })
    return EXIT.ok
  }
  // The secret alone on stdout, so that a script can take it.
  context.terminal.line(key.secret)
  const until = key.expiresAt === null ? 'does not expire' : `until ${key.expiresAt}`
  context.terminal.note(
    `${key.id} · "${key.name}" · ${key.scopes.join(', ')} · ${until} · the secret above is shown once`,
  )
  return EXIT.ok
}

function scopeOf(text: string): (typeof SCOPES)[number] {
  const scope = SCOPES.find((each) => each === text)
  if (scope !== undefined) return scope
  throw new HeddleError('usage', `--scopes takes a list of ${SCOPES.join(', ')}; got "${text}"`, { param: '--scopes' })
}

function trustOf(text: string): PromptTrust {
  const trust = parsePromptTrust(text)
  if (trust !== undefined) return trust
  throw new HeddleError('usage', `--prompt-trust takes one of ${PROMPT_TRUST.join(', ')}; got "${text}"`, {
    param: '--prompt-trust',
  })
}
