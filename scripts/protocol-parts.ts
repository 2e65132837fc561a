/** The parts of docs/PROTOCOL.md that are made from the sources and the test vectors. */
import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { GO_AWAY_CODES, type GoAwayName, RESET_CODES, type ResetName } from '../src/core/wire/frames/frame.ts'
import { HEADER_NAMES, KNOWN_NAME } from '../src/core/wire/frames/header-names.ts'

const folder = join(import.meta.dirname, '../test/vectors')
/** Hexadecimal digits of one line. */
const DIGITS = 96

const RESETS: Readonly<Record<ResetName, string>> = {
  done: 'the answer is complete; the rest of the request is not wanted',
  cancel: 'the asker no longer wants the answer',
  refused: 'the request was not begun: it may be sent again, here or elsewhere',
  failed: 'the server failed',
  unavailable: 'the runtime behind the server is not available',
  loading: 'the model is being loaded',
  timeout: 'the runtime behind the server did not answer in time',
  credit: 'the receiver of this sent more than its credit',
  malformed: 'the open or head frame breaks the rules of its fields',
  stalled: 'the answer was not read for too long',
}

const GO_AWAYS: Readonly<Record<GoAwayName, string>> = {
  draining: 'this side leaves on purpose; what runs may finish',
  protocol: 'the other side broke the protocol',
  version: 'the two sides have no version in common',
  flood: 'the other side sent too much that carries nothing',
  silent: 'the other side gave no sign of life, or read nothing',
  stranger: 'this side does not serve the other, which is no member of its network',
}

export const resetTable = (): string => codeTable(RESET_CODES, RESETS)
export const goAwayTable = (): string => codeTable(GO_AWAY_CODES, GO_AWAYS)

export function headerNameTable(): string {
  const rows = HEADER_NAMES.map((name, index) => `| \`${hex(KNOWN_NAME + index)}\` | \`${name}\` |`)
  return ['| byte | name |', '|---|---|', ...rows].join('\n')
}

interface Vector {
  readonly name: string
  readonly bytes: string
  readonly refusal?: string
}

export const vectorBlocks = (): string => blocksOf('frames')
export const registryVectorBlocks = (): string => blocksOf('registry')
export const statementVectorBlocks = (): string => blocksOf('statements')

function blocksOf(kind: string): string {
  const parts = filesOf(kind)
    .filter(({ file }) => file !== 'refused.json')
    .map(({ file, text }) => {
      const { about, cases } = JSON.parse(text) as { about: string; cases: readonly Vector[] }
      const lines = cases.flatMap(({ name, bytes }) => [`# ${name}`, ...linesOf(bytes)])
      return block(`**${file}** – ${about}`, lines)
    })
  return parts.join('\n\n')
}

interface Conversation {
  readonly about: string
  readonly dialler: readonly { readonly frame: string; readonly bytes: string }[]
  readonly listener: readonly { readonly frame: string; readonly bytes: string }[]
}

export function conversationBlocks(): string {
  const parts = filesOf('sessions').map(({ file, text }) => {
    const { about, dialler, listener } = JSON.parse(text) as Conversation
    const side = (name: string, frames: Conversation['dialler']): string[] =>
      frames.flatMap(({ frame, bytes }) => [`# ${name}: ${frame}`, ...linesOf(bytes)])
    return block(`**${file}** – ${about}`, [...side('dialler', dialler), ...side('listener', listener)])
  })
  return parts.join('\n\n')
}

function codeTable<Name extends string>(
  codes: Readonly<Record<Name, number>>,
  meanings: Readonly<Record<Name, string>>,
): string {
  const rows = (Object.keys(codes) as Name[]).map((name) => `| ${codes[name]} | \`${name}\` | ${meanings[name]} |`)
  return ['| code | name | means |', '|---|---|---|', ...rows].join('\n')
}

function filesOf(kind: string): { file: string; text: string }[] {
  const files = globSync('*.json', { cwd: join(folder, kind) }).sort()
  return files.map((file) => ({ file, text: readFileSync(join(folder, kind, file), 'utf8') }))
}

const block = (title: string, lines: readonly string[]): string => [title, '', '```', ...lines, '```'].join('\n')
const hex = (byte: number): string => byte.toString(16).padStart(2, '0')
const linesOf = (bytes: string): string[] => bytes.match(new RegExp(`.{1,${DIGITS}}`, 'g')) ?? []
