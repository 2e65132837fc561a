/** Reads TypeScript as far as the architecture test must: imports with their lines, and code without comments, strings and templates. */

export interface Import {
  readonly specifier: string
  readonly line: number
  /** `export … from` instead of `import`. */
  readonly isReexport: boolean
}

/** A `/` after one of these starts a regular expression, after anything else it divides. */
const BEFORE_REGEX =
  /(^|[=(,:[!&|?{};+\-*%<>~^]|\b(return|typeof|case|in|of|delete|void|throw|new|await|yield|else|do))\s*$/

/**
 * The source with comments, string contents, template text and regular expressions replaced by spaces.
 * Offsets and lines stay as they were; quotes stay, so that a string can still be found and read from the source.
 */
export function codeOf(source: string): string {
  // UTF-16 units, as offsets of matches count them.
  const out = source.split('')
  const blank = (from: number, to: number): void => {
    for (let i = from; i < to; i += 1) if (out[i] !== '\n') out[i] = ' '
  }
  /** For each open template expression, how many braces are open inside it. */
  const braces: number[] = []
  let at = 0
  const template = (from: number): number => {
    let i = from
    while (i < out.length) {
      if (source[i] === '\\') i += 2
      else if (source[i] === '`') {
        blank(from, i)
        return i + 1
      } else if (source[i] === '$' && source[i + 1] === '{') {
        blank(from, i)
        braces.push(0)
        return i + 2
      } else i += 1
    }
    return i
  }
  while (at < out.length) {
    const char = source[at]
    if (char === '/' && source[at + 1] === '/') {
      const end = endOf(source, '\n', at)
      blank(at, end)
      at = end
    } else if (char === '/' && source[at + 1] === '*') {
      const end = Math.min(endOf(source, '*/', at + 2) + 2, out.length)
      blank(at, end)
      at = end
    } else if (char === "'" || char === '"') {
      const end = closingQuote(source, at)
      blank(at + 1, end)
      at = end + 1
    } else if (char === '`') at = template(at + 1)
    else if (char === '{' && braces.length > 0) {
      braces.push((braces.pop() ?? 0) + 1)
      at += 1
    } else if (char === '}' && braces.length > 0) {
      const open = braces.pop() ?? 0
      if (open === 0) at = template(at + 1)
      else {
        braces.push(open - 1)
        at += 1
      }
    } else if (char === '/' && BEFORE_REGEX.test(out.slice(Math.max(0, at - 40), at).join(''))) {
      const end = closingSlash(source, at)
      blank(at + 1, end)
      at = end + 1
    } else at += 1
  }
  return out.join('')
}

/** Every module that `source` names in an import, a re-export, a dynamic import or a `require`. */
export function importsOf(source: string, code: string): readonly Import[] {
  const found: Import[] = []
  const add = (quoteAt: number, isReexport: boolean): void => {
    const specifier = source.slice(quoteAt + 1, closingQuote(source, quoteAt))
    found.push({ specifier, line: lineAt(source, quoteAt), isReexport })
  }
  for (const match of code.matchAll(/^[ \t]*(import|export)\b(?!\s*\()([^'"();=]*?)\bfrom\s*(['"])/gm)) {
    add(match.index + match[0].length - 1, match[1] === 'export')
  }
  for (const match of code.matchAll(/^[ \t]*import\s*(['"])/gm)) add(match.index + match[0].length - 1, false)
  for (const match of code.matchAll(/\b(import|require)\(\s*(['"])/g)) {
    add(match.index + match[0].length - 1, false)
  }
  return found
}

/** The 1-based line of an offset. */
export function lineAt(source: string, offset: number): number {
  let line = 1
  for (let i = source.indexOf('\n'); i !== -1 && i < offset; i = source.indexOf('\n', i + 1)) line += 1
  return line
}

function endOf(source: string, mark: string, from: number): number {
  const end = source.indexOf(mark, from)
  return end === -1 ? source.length : end
}

function closingQuote(source: string, open: number): number {
  let i = open + 1
  while (i < source.length && source[i] !== source[open] && source[i] !== '\n') i += source[i] === '\\' ? 2 : 1
  return i
}

function closingSlash(source: string, open: number): number {
  let i = open + 1
  let isClass = false
  while (i < source.length && source[i] !== '\n' && (isClass || source[i] !== '/')) {
    if (source[i] === '[') isClass = true
    else if (source[i] === ']') isClass = false
    i += source[i] === '\\' ? 2 : 1
  }
  return i
}
