/** Which known model names a mistyped one was probably meant to be. */

const MAX_SUGGESTIONS = 3

/** Up to three of `known`, nearest first; none that would be a wild guess. */
export function nearNames(wanted: string, known: readonly string[]): readonly string[] {
  const target = wanted.toLowerCase()
  return known
    .map((name) => ({ name, distance: nearness(target, name.toLowerCase()) }))
    .filter(({ name, distance }) => distance <= Math.max(2, Math.floor(Math.min(name.length, wanted.length) / 3)))
    .sort((a, b) => a.distance - b.distance || (a.name < b.name ? -1 : 1))
    .slice(0, MAX_SUGGESTIONS)
    .map(({ name }) => name)
}

/** 0 for the same name, 1 where one begins with or contains the other (tags and owners are often left out), else the edit distance. */
function nearness(a: string, b: string): number {
  if (a === b) return 0
  if (a.length >= 3 && b.length >= 3 && (a.includes(b) || b.includes(a))) return 1
  return editDistance(a, b)
}

/** Levenshtein's distance: insertions, deletions and replacements that turn `a` into `b`. */
export function editDistance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, index) => index)
  for (let row = 1; row <= a.length; row += 1) {
    const current = [row]
    for (let column = 1; column <= b.length; column += 1) {
      const replaced = (previous[column - 1] as number) + (a[row - 1] === b[column - 1] ? 0 : 1)
      current.push(Math.min(replaced, (previous[column] as number) + 1, (current[column - 1] as number) + 1))
    }
    previous = current
  }
  return previous[b.length] as number
}
