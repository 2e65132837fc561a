/** Watches a stream of OpenAI server-sent events: whole events go through as they came; only those with usage, an end or an error are parsed. */
import { limit } from '../limits.ts'
import { parseUsage, type Usage } from './usage.ts'

const LF = 10
const CR = 13
const SPACE = 32
const QUOTE = 34
const COLON = 58
const OPEN_BRACKET = 91
const OPEN_BRACE = 123
const EMPTY = new Uint8Array(0)

/** The bytes of `text`, which is ASCII. */
const ascii = (text: string): Uint8Array => Uint8Array.from(text, (char) => char.charCodeAt(0))
const USAGE_KEY = ascii('usage"')
const FINISH_KEY = ascii('finish_reason"')
const ERROR_KEY = ascii('error"')
const DATA_FIELD = ascii('data:')
const EVENT_ERROR = ascii('event: error')
const FIRST_OF_FIELDS: ReadonlySet<number> = new Set(ascii('deir:'))

export interface SseScannerOptions {
  /** Decodes UTF-8. */
  readonly decode: (bytes: Uint8Array) => string
  /** False: a chunk that carries nothing but usage is noted and left out. */
  readonly keepUsage: boolean
}

/** What stood in the way of taking the stream as OpenAI's. */
export interface StreamFault {
  readonly kind: 'error_event' | 'garbage'
  /** For `error_event`: the upstream's error object; it may hold anything. */
  readonly error?: unknown
}

/** Feed it chunks as they come. `[DONE]` is noted and left out: the gateway writes its own once it knows that all went well. */
export class SseScanner {
  readonly #options: SseScannerOptions
  /** The beginning of an event whose end has not come. */
  #rest: Uint8Array = EMPTY
  #finished = new Set<number>()
  #finishReason: string | undefined
  #usage: Usage | undefined
  #fault: StreamFault | undefined
  #done = false
  #events = 0

  constructor(options: SseScannerOptions) {
    this.#options = options
  }

  /** The finish reason of the last choice that ended. */
  get finishReason(): string | undefined {
    return this.#finishReason
  }
  /** How many choices have ended. */
  get finishedChoices(): number {
    return this.#finished.size
  }
  get usage(): Usage | undefined {
    return this.#usage
  }
  get fault(): StreamFault | undefined {
    return this.#fault
  }
  /** Whether `[DONE]` came. */
  get done(): boolean {
    return this.#done
  }
  /** Data events forwarded. */
  get events(): number {
    return this.#events
  }
  /** Whether bytes of an unfinished event are held. */
  get hasRest(): boolean {
    return this.#rest.length > 0
  }

  /** Takes the next bytes and returns those of whole events that are to be forwarded now; empty after a fault. */
  push(chunk: Uint8Array): Uint8Array {
    if (this.#fault !== undefined) return EMPTY
    const bytes = this.#rest.length === 0 ? chunk : concat([this.#rest, chunk])
    const keep: Uint8Array[] = []
    let keptFrom = 0
    let start = 0
    for (;;) {
      const end = this.#scanEvent(bytes, start)
      if (end < 0) break
      if (this.#fault !== undefined || this.#dropped) {
        if (start > keptFrom) keep.push(bytes.subarray(keptFrom, start))
        keptFrom = end
      }
      start = end
      if (this.#fault !== undefined) break
    }
    if (start > keptFrom) keep.push(bytes.subarray(keptFrom, start))
    this.#rest = start === bytes.length || this.#fault !== undefined ? EMPTY : bytes.subarray(start)
    if (this.#rest.length > limit('sseEventBytes')) this.#fault = { kind: 'garbage' }
    return keep.length === 1 ? (keep[0] as Uint8Array) : concat(keep)
  }

  /** Whether the event just scanned is to be left out. */
  #dropped = false

  /** Scans one event from `start`; returns where the next begins, or -1 where its end has not come. */
  #scanEvent(bytes: Uint8Array, start: number): number {
    let marked = false
    let lineStart = start
    for (let index = start; index < bytes.length; index += 1) {
      const byte = bytes[index]
      if (byte === QUOTE) {
        if (!marked && isMarked(bytes, index + 1)) marked = true
      } else if (byte === LF || byte === CR) {
        const next = byte === CR && bytes[index + 1] === LF ? index + 2 : index + 1
        // A CR at the very end may be half of a CRLF.
        if (byte === CR && index + 1 === bytes.length) return -1
        if (index === lineStart) {
          this.#finishEvent(bytes, start, index, marked)
          return next
        }
        lineStart = next
        index = next - 1
      }
    }
    return -1
  }

  #finishEvent(bytes: Uint8Array, start: number, end: number, marked: boolean): void {
    this.#dropped = false
    if (end === start) return
    if (startsWith(bytes, start, EVENT_ERROR)) {
      this.#fault = { kind: 'error_event', error: this.#parse(bytes, start, end) }
      return
    }
    if (!startsWith(bytes, start, DATA_FIELD)) {
      // Comments and the fields `event`, `id` and `retry` may stand before the data; anything else is no event stream.
      if (!FIRST_OF_FIELDS.has(bytes[start] as number)) this.#fault = { kind: 'garbage' }
      else if (marked) this.#readMarked(bytes, start, end)
      return
    }
    let value = start + DATA_FIELD.length
    while (bytes[value] === SPACE) value += 1
    if (bytes[value] === OPEN_BRACKET) {
      this.#done = true
      this.#dropped = true
      return
    }
    if (bytes[value] !== OPEN_BRACE) {
      this.#fault = { kind: 'garbage' }
      return
    }
    this.#events += 1
    if (marked) this.#readMarked(bytes, start, end)
  }

  #readMarked(bytes: Uint8Array, start: number, end: number): void {
    const json = this.#parse(bytes, start, end)
    if (json === undefined) {
      this.#fault = { kind: 'garbage' }
      return
    }
    if (json.error !== undefined && json.error !== null) {
      this.#fault = { kind: 'error_event', error: json.error }
      return
    }
    const choices = Array.isArray(json.choices) ? (json.choices as readonly Record<string, unknown>[]) : []
    for (const choice of choices) {
      if (typeof choice?.finish_reason !== 'string') continue
      this.#finishReason = choice.finish_reason
      this.#finished.add(typeof choice.index === 'number' ? choice.index : 0)
    }
    const usage = parseUsage(json.usage)
    if (usage === undefined) return
    this.#usage = usage
    this.#dropped = choices.length === 0 && !this.#options.keepUsage
  }

  /** The JSON object of an event's data lines; undefined where it is none. */
  #parse(bytes: Uint8Array, start: number, end: number): Record<string, unknown> | undefined {
    const data = this.#options
      .decode(bytes.subarray(start, end))
      .split(/\r\n|\r|\n/)
      .filter((line) => line.startsWith('data:'))
      .map((line) => line.slice('data:'.length))
      .join('\n')
    try {
      const json: unknown = JSON.parse(data)
      return typeof json === 'object' && json !== null ? (json as Record<string, unknown>) : undefined
    } catch {
      return undefined
    }
  }
}

/** Whether one of the keys that matter begins at `at` (after its quote) and has a value worth parsing. */
function isMarked(bytes: Uint8Array, at: number): boolean {
  switch (bytes[at]) {
    case 117:
      return startsWith(bytes, at, USAGE_KEY) && valueAfter(bytes, at + USAGE_KEY.length) === OPEN_BRACE
    case 102:
      return startsWith(bytes, at, FINISH_KEY) && valueAfter(bytes, at + FINISH_KEY.length) === QUOTE
    case 101: {
      if (!startsWith(bytes, at, ERROR_KEY)) return false
      const value = valueAfter(bytes, at + ERROR_KEY.length)
      return value === OPEN_BRACE || value === QUOTE
    }
    default:
      return false
  }
}

/** The first byte of the value after a key's closing quote; 0 where no colon follows. */
function valueAfter(bytes: Uint8Array, at: number): number {
  let index = at
  while (bytes[index] === SPACE) index += 1
  if (bytes[index] !== COLON) return 0
  index += 1
  while (bytes[index] === SPACE) index += 1
  return bytes[index] ?? 0
}

function startsWith(bytes: Uint8Array, at: number, prefix: Uint8Array): boolean {
  for (let index = 0; index < prefix.length; index += 1) if (bytes[at + index] !== prefix[index]) return false
  return true
}

function concat(parts: readonly Uint8Array[]): Uint8Array {
  let length = 0
  for (const part of parts) length += part.length
  const whole = new Uint8Array(length)
  let at = 0
  for (const part of parts) {
    whole.set(part, at)
    at += part.length
  }
  return whole
}
