/** One TOML config file: its settings by dotted key, the line of each, and edits that keep comments. */
import { readFileSync } from 'node:fs'
import { parse, TomlError } from 'smol-toml'
import { HeddleError } from '../core/errors.ts'

export interface FileSetting {
  readonly value: unknown
  /** Counted from 1; undefined where the key is written in a way the scan does not follow (inline tables). */
  readonly line: number | undefined
}

export interface ConfigFile {
  readonly path: string
  readonly settings: ReadonlyMap<string, FileSetting>
}

/** The file at `path`; undefined where there is none. Throws `config_invalid` where it cannot be read or is not TOML. */
export function readConfigFile(path: string): ConfigFile | undefined {
  const text = readTextIfPresent(path)
  return text === undefined ? undefined : parseConfigFile(path, text)
}

export function readTextIfPresent(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined
    throw new HeddleError('config_invalid', `cannot read the config file ${path} (${code})`, { cause })
  }
}

export function parseConfigFile(path: string, text: string): ConfigFile {
  const lines = keyLines(text)
  const settings = new Map<string, FileSetting>()
  const flatten = (table: object, prefix: string): void => {
    for (const [name, value] of Object.entries(table)) {
      const key = prefix + name
      if (isTable(value)) flatten(value, `${key}.`)
      else settings.set(key, { value, line: lines.get(key)?.line })
    }
  }
  flatten(parseToml(path, text), '')
  return { path, settings }
}

function parseToml(path: string, text: string): object {
  try {
    return parse(text)
  } catch (cause) {
    if (!(cause instanceof TomlError)) throw cause
    const reason = cause.message.split('\n')[0]?.replace(/^Invalid TOML document: /, '')
    throw new HeddleError('config_invalid', `${path}:${cause.line}: not valid TOML: ${reason}`, { cause })
  }
}

const isTable = (value: unknown): value is object =>
  typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Date)

interface KeyLine {
  /** Counted from 1. */
  readonly line: number
  /** The last line of its value, for lists written over several lines. */
  readonly lastLine: number
}

/** Where each dotted key stands. Follows tables, dotted keys, and values over several lines; not inline tables. */
function keyLines(text: string): ReadonlyMap<string, KeyLine> {
  const found = new Map<string, KeyLine>()
  const lines = text.split('\n')
  let table = ''
  for (let index = 0; index < lines.length; index += 1) {
    const line = lines[index] ?? ''
    const header = /^\s*\[([^[\]]+)\]\s*(?:#.*)?$/.exec(line)
    if (header) {
      table = `${plainKey(header[1] ?? '')}.`
      continue
    }
    const assignment = /^\s*([A-Za-z0-9_."' -]+?)\s*=(.*)$/.exec(line)
    if (!assignment) continue
    const first = index
    let value = assignment[2] ?? ''
    while (!isWholeValue(value) && index + 1 < lines.length) {
      index += 1
      value += `\n${lines[index]}`
    }
    found.set(table + plainKey(assignment[1] ?? ''), { line: first + 1, lastLine: index + 1 })
  }
  return found
}

const plainKey = (text: string): string =>
  text
    .split('.')
    .map((part) => part.trim().replace(/^["']|["']$/g, ''))
    .join('.')

function isWholeValue(value: string): boolean {
  try {
    parse(`value =${value}`)
    return true
  } catch {
    return false // goes on in the next line, or the whole file is invalid and parse has said so already
  }
}

/** `text` with `key` set to `value` (TOML source); every other line stays as it was. */
export function editConfigText(path: string, text: string, key: string, value: string): string {
  const lines = text === '' ? [] : text.replace(/\n$/, '').split('\n')
  const place = keyLines(text).get(key)
  if (place) {
    const comment = place.line === place.lastLine ? trailingComment(lines[place.line - 1] ?? '') : ''
    const start = /^\s*[^=]+=\s*/.exec(lines[place.line - 1] ?? '')?.[0] ?? `${key} = `
    lines.splice(place.line - 1, place.lastLine - place.line + 1, `${start}${value}${comment}`)
  } else {
    insertKey(lines, key, value)
  }
  const edited = `${lines.join('\n')}\n`
  assertOnlyChanged(path, text, edited, key)
  return edited
}

function insertKey(lines: string[], key: string, value: string): void {
  const dot = key.lastIndexOf('.')
  const table = dot < 0 ? '' : key.slice(0, dot)
  const isHeader = (line: string): boolean => /^\s*\[/.test(line)
  const start = table === '' ? -1 : lines.findIndex((line) => new RegExp(`^\\s*\\[\\s*${table}\\s*\\]`).test(line))
  const assignment = `${key.slice(dot + 1)} = ${value}`
  if (table !== '' && start < 0) {
    lines.push(...(lines.length > 0 ? [''] : []), `[${table}]`, assignment)
    return
  }
  const next = lines.findIndex((line, index) => index > start && isHeader(line))
  let at = next < 0 ? lines.length : next
  while (at > start + 1 && (lines[at - 1] ?? '').trim() === '') at -= 1
  lines.splice(at, 0, assignment)
}

/** The `  # …` after the value of a one-line assignment. A `#` inside quotes is part of the value. */
function trailingComment(line: string): string {
  for (const match of line.matchAll(/\s*#/g)) {
    const value = line.slice(line.indexOf('=') + 1, match.index)
    if (value.trim() !== '' && isWholeValue(value)) return line.slice(match.index)
  }
  return ''
}

/** An edit by lines is only trusted once reading it again shows that nothing else changed. */
function assertOnlyChanged(path: string, before: string, after: string, key: string): void {
  const others = (text: string): string => {
    const { settings } = parseConfigFile(path, text)
    return JSON.stringify(
      [...settings]
        .filter(([name]) => name !== key)
        .toSorted(([a], [b]) => a.localeCompare(b))
        .map(([name, { value }]) => [name, value]),
    )
  }
  let same: boolean
  try {
    same = others(before) === others(after) && parseConfigFile(path, after).settings.has(key)
  } catch (cause) {
    throw new HeddleError('config_invalid', `cannot set ${key} in ${path} without rewriting the file`, {
      cause,
      fix: `edit ${path}`,
    })
  }
  if (!same)
    throw new HeddleError('config_invalid', `cannot set ${key} in ${path} without rewriting the file`, {
      fix: `edit ${path}`,
    })
}
