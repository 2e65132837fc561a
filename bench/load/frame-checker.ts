/** Checks every frame of one streamed answer against what the mock upstream sent: order, content, end, nothing more, nothing less. */
import {
  CHUNKS_PER_STREAM,
  type ChunkMeaning,
  chunkJson,
  chunkMeaning,
  type StreamModel,
} from '../mock-upstream/openai-shapes.ts'

export interface FrameCounts {
  /** Chunks that came in their place with the right meaning. */
  readonly intact: number
  /** Chunks that never came. */
  readonly lost: number
  /** Events out of place, changed, doubled, unreadable, or after the end. */
  readonly wrong: number
  /** Whether exactly one `[DONE]` came, after everything else. */
  readonly done: boolean
}

interface Shape {
  readonly object?: unknown
  readonly choices?: readonly {
    readonly index?: unknown
    readonly delta?: { readonly role?: unknown; readonly content?: unknown }
    readonly finish_reason?: unknown
  }[]
}

const MEANINGS: readonly ChunkMeaning[] = Array.from({ length: CHUNKS_PER_STREAM }, (_, index) => chunkMeaning(index))

/** What an event says, or undefined when it is not a chunk of one choice. */
export function readChunk(data: string): ChunkMeaning | undefined {
  let chunk: Shape
  try {
    chunk = JSON.parse(data) as Shape
  } catch {
    return undefined // counted as wrong by the caller
  }
  const [choice, ...others] = Array.isArray(chunk?.choices) ? chunk.choices : []
  if (chunk?.object !== 'chat.completion.chunk' || choice === undefined || others.length > 0 || choice.index !== 0)
    return undefined
  const [role, content, finishReason] = [
    textOf(choice.delta?.role),
    textOf(choice.delta?.content),
    textOf(choice.finish_reason),
  ]
  return role === undefined || content === undefined || finishReason === undefined
    ? undefined
    : { role, content, finishReason }
}

/** A text; null where there is none; undefined for anything else. */
function textOf(value: unknown): string | null | undefined {
  if (value === undefined || value === null) return null
  return typeof value === 'string' ? value : undefined
}

function isSame(a: ChunkMeaning, b: ChunkMeaning): boolean {
  return a.role === b.role && a.content === b.content && a.finishReason === b.finishReason
}

/** The raw JSON of each chunk, shared by all checkers of one model: equal bytes need no parsing. */
export function expectedFrames(model: StreamModel): readonly string[] {
  return Array.from({ length: CHUNKS_PER_STREAM }, (_, index) => chunkJson(model, index))
}

export class FrameChecker {
  readonly #expected: readonly string[]
  #rest = ''
  #next = 0
  #intact = 0
  #lost = 0
  #wrong = 0
  #dones = 0

  constructor(expected: readonly string[]) {
    this.#expected = expected
  }

  /** Takes the next piece of the body, cut anywhere. */
  push(text: string): void {
    const all = this.#rest === '' ? text : this.#rest + text
    let from = 0
    for (let end = all.indexOf('\n\n', from); end !== -1; end = all.indexOf('\n\n', from)) {
      this.#event(all.slice(from, end))
      from = end + 2
    }
    this.#rest = all.slice(from)
  }

  /** The verdict once the body has ended, or broken off. */
  finish(): FrameCounts {
    const cutOff = this.#rest === '' ? 0 : 1
    return {
      intact: this.#intact,
      lost: this.#lost + (CHUNKS_PER_STREAM - this.#next),
      wrong: this.#wrong + cutOff + Math.max(0, this.#dones - 1),
      done: this.#dones === 1,
    }
  }

  #event(block: string): void {
    const data = block.startsWith('data: ') && !block.includes('\n') ? block.slice(6) : dataOf(block)
    if (data === undefined) return // a comment, as heartbeats are
    if (data === '[DONE]') {
      this.#dones += 1
      return
    }
    if (this.#dones > 0) this.#wrong += 1
    else if (data === this.#expected[this.#next]) this.#accept(this.#next)
    else this.#compare(data)
  }

  #accept(index: number): void {
    this.#lost += index - this.#next
    this.#intact += 1
    this.#next = index + 1
  }

  /** A proxy may write the JSON anew; its meaning must stay, and a later chunk than the next one tells how many are missing. */
  #compare(data: string): void {
    const chunk = readChunk(data)
    const index =
      chunk === undefined ? -1 : MEANINGS.findIndex((meaning, at) => at >= this.#next && isSame(meaning, chunk))
    if (index === -1) this.#wrong += 1
    else this.#accept(index)
  }
}

/** The joined `data` lines of an event (WHATWG HTML, 9.2.6); undefined when it has none. */
function dataOf(block: string): string | undefined {
  const lines = block.split('\n').filter((line) => line.startsWith('data:'))
  return lines.length === 0
    ? undefined
    : lines.map((line) => line.slice(line[5] === ' ' ? 6 : 5).replace(/\r$/, '')).join('\n')
}
