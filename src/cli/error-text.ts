/** An error as people read it: what failed and its code, why, and what to type. */
import { stripVTControlCharacters } from 'node:util'
import { type HeddleError, heddleErrorOf } from '../core/errors.ts'
import { asTyped } from './command-name.ts'
import type { Terminal } from './terminal.ts'
import { printable } from './terminal.ts'

export interface ErrorTextOptions {
  readonly env: Readonly<Record<string, string | undefined>>
  /** `--trace`: with the stacks. */
  readonly stacks: boolean
}

/** Lines without line ends. */
export function errorLines(
  error: unknown,
  { env, stacks }: ErrorTextOptions,
  paint: Terminal['paintNote'] = (_, text) => text,
): readonly string[] {
  const failure = heddleErrorOf(error)
  const lines = [`${paint('red', 'error:')} ${clean(failure.message)}  ${paint('dim', `[${failure.code}]`)}`]
  const reason = reasonOf(failure)
  if (reason !== undefined) lines.push(`  ${clean(reason)}`)
  const [first, ...others] = (failure.details.fix ?? '').split('\n').filter((line) => line !== '')
  if (first !== undefined) lines.push(`  try: ${clean(asTyped(first, env))}`)
  for (const other of others) lines.push(`       ${clean(asTyped(other, env))}`)
  if (stacks) lines.push(...stackLines(error))
  else if (failure.code === 'internal') lines.push('  try: the same again with --trace, and report what it prints')
  return lines
}

/** The same error for programs, as the admin API writes it. */
export function errorDocument(error: unknown): object {
  const { code, message, details } = heddleErrorOf(error)
  return { schema: 'heddle.error/v1', error: { code, message, param: details.param ?? null, fix: details.fix ?? null } }
}

/** What the system said; other causes are for `--trace`, because they may hold anything. */
function reasonOf({ code, details: { cause } }: HeddleError): string | undefined {
  if (!(cause instanceof Error)) return undefined
  const system =
    'syscall' in cause || ('code' in cause && typeof cause.code === 'string' && /^E[A-Z]+$/.test(cause.code))
  if (system) return cause.message.split('\n')[0]
  return code === 'internal' ? `${cause.name}: ${cause.message.split('\n')[0]}` : undefined
}

function stackLines(error: unknown): string[] {
  const lines: string[] = []
  for (let each = error; each instanceof Error; each = each.cause) {
    lines.push(...(each.stack ?? String(each)).split('\n').map((line) => `  ${line}`))
  }
  return lines
}

const clean = (text: string): string => printable(stripVTControlCharacters(text))
