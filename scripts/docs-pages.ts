/** The parts of the documentation that are made from the sources: limits, settings and error codes. */
import { SETTING_KEYS, SETTINGS } from '../src/compose/settings.ts'
import type { Limit } from '../src/core/bound.ts'
import { ERROR_CODES } from '../src/core/errors.ts'
import { LIMITS } from '../src/core/limits.ts'
import {
  conversationBlocks,
  goAwayTable,
  headerNameTable,
  registryVectorBlocks,
  resetTable,
  statementVectorBlocks,
  vectorBlocks,
} from './protocol-parts.ts'

export interface GeneratedPage {
  readonly path: string
  /** The page as it should be, given what is there now. */
  readonly make: (current: string) => string
}

export const GENERATED_PAGES: readonly GeneratedPage[] = [
  { path: 'docs/LIMITS.md', make: limitsPage },
  { path: 'docs/OPERATING.md', make: (current) => withPart(current, 'settings', settingsTable()) },
  { path: 'docs/guides/clients.md', make: (current) => withPart(current, 'errors', errorsTable()) },
  { path: 'docs/PROTOCOL.md', make: protocolPage },
]

export function limitsPage(): string {
  const rows = Object.entries(LIMITS).map(([name, limit]: [string, Limit]) => {
    return `| \`${name}\` | ${quantityOf(limit)} | ${cell(limit.reason)} |`
  })
  return `# Limits

Every queue, body, header, retry, cache and wait has a bound. This page is made from \`src/core/limits.ts\` and \`src/core/mesh-limits.ts\` by \`npm run docs\`.

| name | bound | why |
|---|---|---|
${rows.join('\n')}
`
}

export function protocolPage(current: string): string {
  const parts = {
    'reset codes': resetTable(),
    'go-away codes': goAwayTable(),
    'header names': headerNameTable(),
    vectors: vectorBlocks(),
    conversations: conversationBlocks(),
    'registry vectors': registryVectorBlocks(),
    'statement vectors': statementVectorBlocks(),
  }
  return Object.entries(parts).reduce((page, [name, part]) => withPart(page, name, part), current)
}

/** A limit for people: `16 KiB`, `30 s`, `2,000`. */
export function quantityOf({ value, unit }: Limit): string {
  const number = (each: number): string => each.toLocaleString('en-US')
  switch (unit) {
    case 'bytes':
      for (const [size, name] of [
        [2 ** 30, 'GiB'],
        [2 ** 20, 'MiB'],
        [2 ** 10, 'KiB'],
      ] as const) {
        if (value >= size && value % size === 0) return `${number(value / size)} ${name}`
      }
      return `${number(value)} B`
    case 'ms':
      for (const [size, name] of [
        [86_400_000, 'days'],
        [60_000, 'min'],
        [1_000, 's'],
      ] as const) {
        if (value > size && value % size === 0) return `${number(value / size)} ${name}`
      }
      return `${number(value)} ms`
    case 'per minute':
    case 'levels':
      return `${number(value)} ${unit}`
    case 'items':
      return number(value)
    default:
      return unit satisfies never
  }
}

export function settingsTable(): string {
  const rows = SETTING_KEYS.map((key) => {
    const { env, flag, initial, description, inert } = SETTINGS[key]
    const meaning = inert === undefined ? description : `${description} (needs ${inert}: not yet)`
    return `| \`${key}\` | \`${env}\` | \`${flag}\` | ${initialText(initial)} | ${cell(meaning)} |`
  })
  return ['| setting | variable | flag | default | meaning |', '|---|---|---|---|---|', ...rows].join('\n')
}

export function errorsTable(): string {
  const rows = Object.entries(ERROR_CODES).map(([code, { status, type, retry }]) => {
    return `| \`${code}\` | ${status} | \`${type}\` | ${retry === 'never' ? 'no' : 'yes'} |`
  })
  return ['| code | status | type | worth trying again |', '|---|---|---|---|', ...rows].join('\n')
}

/** Replaces what stands between `<!-- begin NAME -->` and `<!-- end NAME -->`. */
export function withPart(page: string, name: string, part: string): string {
  const begin = `<!-- begin ${name} -->`
  const end = `<!-- end ${name} -->`
  const from = page.indexOf(begin)
  const to = page.indexOf(end)
  if (from === -1 || to < from) throw new Error(`the page has no place for "${name}"`)
  return `${page.slice(0, from + begin.length)}\n${part}\n${page.slice(to)}`
}

function initialText(initial: string | number | boolean | readonly string[]): string {
  const values = typeof initial === 'object' ? initial : [String(initial)]
  if (values.every((value) => value === '')) return '–'
  return values.map((value) => `\`${value}\``).join(' ')
}

const cell = (text: string): string => text.replaceAll('|', '\\|')
