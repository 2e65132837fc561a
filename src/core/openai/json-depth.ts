/** How deep a JSON text nests, found without parsing it: a parser makes an object for every level before anyone can refuse. */

const QUOTE = 0x22
const BACKSLASH = 0x5c
const OPEN_BRACKET = 0x5b
const CLOSE_BRACKET = 0x5d
const OPEN_BRACE = 0x7b
const CLOSE_BRACE = 0x7d

/** Whether arrays and objects nest more than `levels` deep. Of a text that is not valid JSON the answer means nothing. */
export function nestsDeeperThan(json: Uint8Array, levels: number): boolean {
  let depth = 0
  for (let index = 0; index < json.length; index += 1) {
    switch (json[index]) {
      case QUOTE: {
        const end = stringEnd(json, index + 1)
        if (end < 0) return false
        index = end
        break
      }
      case OPEN_BRACKET:
      case OPEN_BRACE:
        depth += 1
        if (depth > levels) return true
        break
      case CLOSE_BRACKET:
      case CLOSE_BRACE:
        depth -= 1
        break
      default:
    }
  }
  return false
}

/** The index of the quote that ends a string whose first character is at `start`; -1 where it does not end. */
function stringEnd(json: Uint8Array, start: number): number {
  for (let from = start; ; ) {
    const quote = json.indexOf(QUOTE, from)
    if (quote < 0) return -1
    let backslashes = 0
    while (quote - backslashes > start && json[quote - backslashes - 1] === BACKSLASH) backslashes += 1
    if (backslashes % 2 === 0) return quote
    from = quote + 1
  }
}
