/** What a scripted model says: a pure function of the model, the conversation and the position. */

// Some words need two, three and four bytes in UTF-8, so that whoever splits bytes wrongly is found out.
const WORDS =
  'warp weft heddle shuttle thread loom cloth selvage bobbin spindle distaff treadle beater reed twill satin damask tapestry weave knot fibre ' +
  'wool linen silk cotton dye indigo madder pattern colour edge row column count tension ply strand cord fabric node route Köper Fäden größer ' +
  'naïve tissé 織物 絹 ткань νῆμα 🧵 🪡'
const VOCABULARY = WORDS.split(' ')
/** 2^32 divided by the golden ratio: spreads consecutive positions over the whole range. */
const GOLDEN = 0x9e3779b9

/** 32-bit FNV-1a of the text's UTF-16 units. */
export function hashOf(text: string): number {
  let hash = 0x811c9dc5
  for (let index = 0; index < text.length; index += 1) {
    hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193)
  }
  return hash >>> 0
}

/** A well-mixed 32-bit number for a position under a seed (the finalizer of MurmurHash3). */
export function mixOf(seed: number, position: number): number {
  let value = (seed + Math.imul(position + 1, GOLDEN)) | 0
  value = Math.imul(value ^ (value >>> 16), 0x85ebca6b)
  value = Math.imul(value ^ (value >>> 13), 0xc2b2ae35)
  return (value ^ (value >>> 16)) >>> 0
}

/** The token at a position: a word, with the space that parts it from the one before. */
export function wordAt(seed: number, position: number): string {
  const word = VOCABULARY[mixOf(seed, position) % VOCABULARY.length] as string
  return position === 0 ? word : ` ${word}`
}

/** How many tokens a text counts as: its words. */
export function countTokens(text: string): number {
  return text.match(/\S+/g)?.length ?? 0
}

/** Splits a text that is no prose into tokens of up to four characters, never inside one character. */
export function fragmentsOf(text: string): string[] {
  return text.match(/[\s\S]{1,4}/gu) ?? []
}

export interface Cut {
  readonly pieces: readonly string[]
  readonly finish: 'stop' | 'length'
}

/** Shortens an answer at the first stop string in it and at `most` tokens, whichever comes first. */
export function cutAt(pieces: readonly string[], stops: readonly string[], most: number | undefined): Cut {
  const kept: string[] = []
  let text = ''
  for (const piece of pieces) {
    if (kept.length === most) return { pieces: kept, finish: 'length' }
    const longer = text + piece
    const end = firstStop(longer, stops)
    if (end >= 0) return { pieces: withoutTail(kept, end), finish: 'stop' }
    kept.push(piece)
    text = longer
  }
  return { pieces: kept, finish: 'stop' }

  function withoutTail(before: readonly string[], end: number): string[] {
    // The stop string may have begun in earlier tokens: what they hold of it goes as well.
    const result: string[] = []
    let length = 0
    for (const piece of before) {
      if (length >= end) break
      result.push(piece.slice(0, end - length))
      length += piece.length
    }
    if (length < end) result.push((pieces[before.length] as string).slice(0, end - length))
    return result
  }
}

function firstStop(text: string, stops: readonly string[]): number {
  let first = -1
  for (const stop of stops) {
    const at = stop === '' ? -1 : text.indexOf(stop)
    if (at >= 0 && (first < 0 || at < first)) first = at
  }
  return first
}

/** A made-up but plausible log probability, the same each time. */
export function logprobAt(seed: number, position: number): number {
  return -(1 + (mixOf(seed ^ GOLDEN, position) % 999)) / 1000
}

/** Other words that might have stood at a position, less likely than the one that does. */
export function alternativesAt(seed: number, position: number, count: number): { token: string; logprob: number }[] {
  const own = wordAt(seed, position)
  const found: { token: string; logprob: number }[] = []
  for (let offset = 0; found.length < count && offset < VOCABULARY.length; offset += 1) {
    const token = wordAt(seed ^ 0x5bd1e995, position * VOCABULARY.length + offset)
    if (token === own || found.some((other) => other.token === token)) continue
    found.push({ token, logprob: logprobAt(seed, position) - 1 - found.length })
  }
  return found
}

/** A unit vector that depends on the text alone. */
export function vectorOf(model: string, text: string, dimensions: number): Float32Array {
  const seed = hashOf(`${model}\0${text}`)
  const vector = new Float32Array(dimensions)
  let square = 0
  for (let index = 0; index < dimensions; index += 1) {
    const value = mixOf(seed, index) / 0x8000_0000 - 1
    vector[index] = value
    square += value * value
  }
  const length = Math.sqrt(square) || 1
  for (let index = 0; index < dimensions; index += 1) vector[index] = (vector[index] as number) / length
  return vector
}
