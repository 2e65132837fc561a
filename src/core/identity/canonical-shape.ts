/** Looks over encoded bytes before they are decoded, so that hostile ones cost neither stack nor memory. */
import { limit } from '../limits.ts'

/** An item's head: major type and argument (RFC 8949 §3), and where its content begins. */
interface Head {
  readonly major: number
  readonly argument: number
  readonly end: number
}

/** Items still to come inside one array or map; those of a map are keys and values in turn. */
interface Level {
  left: number
  readonly isMap: boolean
}

const MAJOR = { unsigned: 0, negative: 1, bytes: 2, text: 3, array: 4, map: 5, tag: 6, simple: 7 } as const
const FALSE = 20
const TRUE = 21

/**
 * Why `bytes` cannot be one canonical value; undefined where they may be one.
 * Walks the heads only, without recursion: one item, bounded depth and texts, definite lengths that fit into what is there,
 * unsigned keys, no tags, no floats, no null, no integer beyond 2^53 - 1. Shortest form and the order of keys are not looked at.
 */
export function shapeProblem(bytes: Uint8Array): string | undefined {
  const levels: Level[] = [{ left: 1, isMap: false }]
  let at = 0
  for (;;) {
    let level = levels.at(-1)
    while (level?.left === 0) {
      levels.pop()
      level = levels.at(-1)
    }
    if (level === undefined) return at === bytes.length ? undefined : 'bytes follow the value'
    const isKey = level.isMap && level.left % 2 === 0
    level.left -= 1
    const head = headAt(bytes, at)
    if (typeof head === 'string') return head
    if (isKey && head.major !== MAJOR.unsigned) return 'a key is not an unsigned integer'
    const problem = itemProblem(head, bytes.length - head.end)
    if (problem !== undefined) return problem
    at = head.end
    if (head.major === MAJOR.bytes || head.major === MAJOR.text) at += head.argument
    if (head.major !== MAJOR.array && head.major !== MAJOR.map) continue
    if (levels.length > limit('canonicalDepth')) return 'nested too deep'
    const isMap = head.major === MAJOR.map
    levels.push({ left: isMap ? head.argument * 2 : head.argument, isMap })
  }
}

function itemProblem({ major, argument }: Head, bytesLeft: number): string | undefined {
  switch (major) {
    case MAJOR.unsigned:
      return undefined
    case MAJOR.negative:
      return argument < Number.MAX_SAFE_INTEGER ? undefined : 'an integer is too large'
    case MAJOR.text:
      if (argument > limit('canonicalTextBytes')) return 'a text is too long'
      return argument > bytesLeft ? 'cut off' : undefined
    case MAJOR.bytes:
    case MAJOR.array:
      // Each item takes a byte at least, so a count above the bytes left is a lie.
      return argument > bytesLeft ? 'cut off' : undefined
    case MAJOR.map:
      return argument * 2 > bytesLeft ? 'cut off' : undefined
    case MAJOR.simple:
      return argument === FALSE || argument === TRUE ? undefined : 'a float, null or undefined'
    default:
      return 'a tag'
  }
}

function headAt(bytes: Uint8Array, at: number): Head | string {
  const first = bytes[at]
  if (first === undefined) return 'cut off'
  const major = first >> 5
  const minor = first & 31
  if (minor < 24) return { major, argument: minor, end: at + 1 }
  if (major === MAJOR.simple) return 'a float, null or undefined'
  if (minor > 27) return 'a length is not given'
  const width = 2 ** (minor - 24)
  const end = at + 1 + width
  if (end > bytes.length) return 'cut off'
  let argument = 0
  for (let index = at + 1; index < end; index += 1) argument = argument * 256 + (bytes[index] ?? 0)
  // Sums above 2^53 are inexact, but never fall below it.
  if (argument > Number.MAX_SAFE_INTEGER) return 'an integer is too large'
  return { major, argument, end }
}
