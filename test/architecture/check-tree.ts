/** Holds a tree of sources against the rules and names every offence with its file and line. */
import { posix } from 'node:path'
import {
  BANNED_PACKAGES,
  EMPTY_NAMES,
  EXCEPTIONS,
  FREE_FOLDERS,
  GLOBALS,
  KEBAB_CASE,
  LAYERS,
  type Layer,
  MAX_LINES,
  PACKAGES,
} from './rules.ts'
import { codeOf, type Import, importsOf, lineAt } from './source-text.ts'

export type RuleName =
  | 'layer'
  | 'unknown layer'
  | 'unresolved import'
  | 'outside the repository'
  | 'package not declared'
  | 'package not allowed here'
  | 'package banned'
  | 'node module not allowed here'
  | 'global not allowed here'
  | 'barrel'
  | 'default export'
  | 'cycle'
  | 'file too long'
  | 'no first line'
  | 'empty name'
  | 'not kebab-case'
  | 'module state'
  | 'test switched off'

export interface Offence {
  readonly rule: RuleName
  readonly file: string
  readonly line: number
  readonly what: string
}

export interface Tree {
  /** Path from the repository's root, with `/`, to text. */
  readonly files: ReadonlyMap<string, string>
  /** Packages that package.json names for use at run time. */
  readonly runtimePackages: ReadonlySet<string>
  /** Packages that it names for tests and tools. */
  readonly devPackages: ReadonlySet<string>
  /** Files that are not sources but may be imported, such as package.json. */
  readonly otherFiles: ReadonlySet<string>
}

export function checkTree(tree: Tree): readonly Offence[] {
  const offences: Offence[] = []
  const graph = new Map<string, readonly { to: string; line: number }[]>()
  for (const [file, source] of tree.files) {
    const code = codeOf(source)
    const imports = importsOf(source, code)
    const report = (rule: RuleName, line: number, what: string): void => void offences.push({ rule, file, line, what })
    checkShape(file, source, code, imports, report)
    checkGlobals(file, source, code, report)
    graph.set(file, checkImports(tree, file, imports, report))
  }
  return [...offences, ...cyclesOf(graph)]
}

type Report = (rule: RuleName, line: number, what: string) => void

/** The layer of a file: its name (with `*` filled in) and its row. */
export function layerOf(file: string): { name: string; layer: Layer } | undefined {
  for (const layer of LAYERS) {
    const match = new RegExp(`^${layer.folder.replace('*', '([^/]+)')}/`).exec(file)
    if (match) return { name: layer.name.replace('*', match[1] ?? ''), layer }
  }
  return undefined
}

const isTest = (file: string): boolean => file.endsWith('.test.ts') || file.startsWith('test/')

function checkImports(tree: Tree, file: string, imports: readonly Import[], report: Report) {
  const own = layerOf(file)
  if (own === undefined) {
    report('unknown layer', 1, 'no layer of test/architecture/rules.ts has this folder')
    return []
  }
  const edges: { to: string; line: number }[] = []
  for (const { specifier, line } of imports) {
    if (specifier.startsWith('node:')) checkNodeModule(own.layer, file, specifier, line, report)
    else if (specifier.startsWith('.')) {
      const to = posix.normalize(posix.join(posix.dirname(file), specifier))
      if (to.startsWith('..')) report('outside the repository', line, specifier)
      else if (tree.files.has(to)) {
        edges.push({ to, line })
        if (!mayImport(file, own, to)) report('layer', line, `${own.name} imports ${to}`)
      } else if (!tree.otherFiles.has(to))
        report('unresolved import', line, `${specifier} is not a file of the repository`)
    } else if (/^[/#]|^[a-z]+:/.test(specifier)) report('outside the repository', line, specifier)
    else checkPackage(tree, own.layer, file, specifier, line, report)
  }
  return edges
}

function mayImport(file: string, own: { name: string; layer: Layer }, to: string): boolean {
  const target = layerOf(to)
  if (target === undefined) return false
  const { imports } = own.layer
  return (
    target.name === own.name ||
    imports.includes('*') ||
    imports.includes(target.name) ||
    imports.includes(target.layer.name) ||
    EXCEPTIONS.some((exception) => exception.from.test(file) && exception.to.test(to))
  )
}

function checkNodeModule(layer: Layer, file: string, specifier: string, line: number, report: Report): void {
  if (layer.node === 'any' || isTest(file) || layer.node.includes(specifier)) return
  report('node module not allowed here', line, `${layer.name} imports ${specifier}`)
}

function checkPackage(tree: Tree, layer: Layer, file: string, specifier: string, line: number, report: Report): void {
  const name = specifier.split('/', specifier.startsWith('@') ? 2 : 1).join('/')
  const banned = BANNED_PACKAGES.find(({ pattern }) => pattern.test(name))
  if (banned !== undefined) return report('package banned', line, `${name}: use ${banned.instead}`)
  const isFree = isTest(file) || FREE_FOLDERS.test(file)
  if (!tree.runtimePackages.has(name) && !(isFree && tree.devPackages.has(name))) {
    return report('package not declared', line, `${name} is not in package.json (or only for tests)`)
  }
  if (isFree) return
  const places = PACKAGES[name] ?? []
  if (layer.packages === 'none' || !places.some((place) => file.startsWith(`${place}/`))) {
    report('package not allowed here', line, `${name} belongs in ${places.join(', ') || 'no folder of src yet'}`)
  }
}

function checkGlobals(file: string, source: string, code: string, report: Report): void {
  if (FREE_FOLDERS.test(file) || isTest(file)) return
  for (const { what, pattern, owners } of GLOBALS) {
    if (owners.test(file)) continue
    for (const match of code.matchAll(new RegExp(pattern, 'g'))) {
      report('global not allowed here', lineAt(source, match.index), what)
    }
  }
}

function checkShape(file: string, source: string, code: string, imports: readonly Import[], report: Report): void {
  const lines = source.split('\n')
  if (!isTest(file) && lines.length - 1 > MAX_LINES)
    report('file too long', lines.length - 1, `more than ${MAX_LINES} lines`)
  if (!/^\/\*\* .+ \*\/$/.test(lines[0] ?? '')) report('no first line', 1, 'expected /** What this file is. */')
  for (const { specifier, line, isReexport } of imports) {
    if (isReexport) report('barrel', line, `re-exports ${specifier}: import it where it is used`)
  }
  const each = (pattern: RegExp, rule: RuleName, what: string): void => {
    for (const match of code.matchAll(pattern)) report(rule, lineAt(source, match.index), what)
  }
  each(/^[ \t]*export default\b|^export \{[^}]*\bas default\b/gm, 'default export', 'export it by name')
  if (file.startsWith('src/') && !isTest(file)) each(/^(export )?(let|var) /gm, 'module state', 'state needs an owner')
  each(
    /\b(it|test|describe|suite|t)\.(skip|only|todo)\b|\b(skip|only|todo): (true|['"`])/g,
    'test switched off',
    'run it or delete it',
  )
  for (const part of file.split('/')) {
    const name = part.replace(/(\.(test|contract|d))?\.ts$/, '')
    if (EMPTY_NAMES.test(name)) report('empty name', 1, `"${name}" does not say what is inside`)
    if (!KEBAB_CASE.test(name)) report('not kebab-case', 1, `"${name}"`)
  }
}

/** One offence for each ring of files that import each other, told once, from its first file in order of names. */
function cyclesOf(graph: ReadonlyMap<string, readonly { to: string; line: number }[]>): readonly Offence[] {
  const offences: Offence[] = []
  const done = new Set<string>()
  const visit = (file: string, path: readonly string[]): void => {
    for (const { to, line } of graph.get(file) ?? []) {
      const start = path.indexOf(to)
      if (start !== -1) offences.push({ rule: 'cycle', file, line, what: [...path.slice(start), to].join(' → ') })
      else if (!done.has(to)) visit(to, [...path, to])
    }
    done.add(file)
  }
  for (const file of [...graph.keys()].toSorted()) if (!done.has(file)) visit(file, [file])
  return offences
}
