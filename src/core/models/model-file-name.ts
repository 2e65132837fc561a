/** Names of model files and model ids: which are safe to open, which we give to new files, and how one makes the other. */
import type { Brand } from '../ids.ts'
import { limit } from '../limits.ts'

/** A relative path, `/` between its parts, that stays inside its folder on every system and ends in `.gguf`. */
export type ModelFileName = Brand<string, 'ModelFileName'>

const ENDING = '.gguf'
/** The file systems in use take names of 255 bytes; 20 are left for what is appended while a file is on its way. */
const PART_BYTES = 235
/** Names that Windows keeps for devices, whatever their ending. */
const DEVICE = /^(con|prn|aux|nul|com\d|lpt\d)(\.|$)/i
/** No separators, no drive or stream marks, no wildcards, no control or invisible characters. */
const SAFE_PART = /^[^/\\:*?"<>|\p{C}\p{Zl}\p{Zp}]+$/u
/** What we name files ourselves: letters, digits and the marks that model names use. */
const ID_PART = /^[A-Za-z0-9]([A-Za-z0-9._+=@-]*[A-Za-z0-9_+=@-])?$/

/** Parses a file name found on a disk or given by a person: `org/name.gguf`. Upwards, absolute and hidden paths are refused. */
export function parseModelFileName(text: string): ModelFileName | undefined {
  const parts = text.split('/')
  if (!text.toLowerCase().endsWith(ENDING) || parts.length > limit('modelFolderDepth') + 1) return undefined
  return parts.every(isSafePart) ? (text as ModelFileName) : undefined
}

/** Whether a folder or file of this name may be opened. A leading dot is hidden or upwards; Windows drops a trailing dot or space. */
export function isSafePart(part: string): boolean {
  return (
    SAFE_PART.test(part) &&
    !part.startsWith('.') &&
    !part.startsWith(' ') &&
    !/[. ]$/.test(part) &&
    !DEVICE.test(part) &&
    utf8Length(part) <= PART_BYTES
  )
}

/** Parses the id that a person chose for a new model, with or without `.gguf`: `name` or `org/name`. */
export function parseModelId(text: string): string | undefined {
  const id = text.toLowerCase().endsWith(ENDING) ? text.slice(0, -ENDING.length) : text
  return fileNameOf(id) === undefined ? undefined : id
}

/** The file of a new model; undefined where `id` is none. */
export function fileNameOf(id: string): ModelFileName | undefined {
  const fits = id.length <= limit('modelIdBytes') && id.split('/').every((part) => ID_PART.test(part))
  return fits ? parseModelFileName(`${id}${ENDING}`) : undefined
}

/** The id under which a file is offered: its name without the ending, other characters than those of ids as hyphens. */
export function modelIdOf(fileName: ModelFileName): string | undefined {
  const parts = fileName.slice(0, -ENDING.length).split('/')
  const id = parts.map(idPartOf).join('/')
  return fileNameOf(id) === undefined ? undefined : id
}

function idPartOf(part: string): string {
  return part
    .normalize('NFKD')
    .replaceAll(/\p{M}+/gu, '')
    .replaceAll(/[^A-Za-z0-9._+=@-]+/g, '-')
    .replaceAll(/^[^A-Za-z0-9]+|[.-]+$/g, '')
}

function utf8Length(text: string): number {
  let bytes = 0
  for (const character of text) {
    const point = character.codePointAt(0) ?? 0
    bytes += point < 0x80 ? 1 : point < 0x800 ? 2 : point < 0x10000 ? 3 : 4
  }
  return bytes
}
